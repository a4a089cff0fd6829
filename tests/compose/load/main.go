// Command load reads a compose file as Docker Compose does: interpolation, schema, normalisation, consistency.
// It prints the services of the given profiles, one a line, or what is wrong.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions(
		[]string{os.Args[1]}, cli.WithProfiles(os.Args[2:]), cli.WithOsEnv, cli.WithInterpolation(true),
	)
	if err == nil {
		err = list(options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func list(options *cli.ProjectOptions) error {
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	for _, name := range project.ServiceNames() {
		fmt.Println(name)
	}
	return nil
}

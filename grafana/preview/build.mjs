/** Makes the page in dist/. `node build.mjs` */

import { build } from 'esbuild';
import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');
const resolve = createRequire(import.meta.url).resolve;
const grafana = dirname(resolve('@grafana/ui/package.json'));
const inter = resolve('@fontsource-variable/inter/files/inter-latin-wght-normal.woff2');

/**
 * Code editor, map and usage reports are a third of what Grafana's components bring along, and no panel needs them.
 * package.json overrides them by a tiny package, and here whatever is asked of them is an empty module.
 */
const absent = {
  name: 'absent',
  setup(bundler) {
    bundler.onResolve({ filter: /^(monaco-editor|ol|@grafana\/faro-web-sdk)(\/|$)/ }, ({ path }) => ({ path, namespace: 'absent' }));
    bundler.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = {}' }));
  },
};

await build({
  absWorkingDir: here,
  entryPoints: ['src/main.tsx'],
  outdir: dist,
  bundle: true,
  format: 'esm',
  splitting: true,
  minify: true,
  jsx: 'automatic',
  plugins: [absent],
  loader: { '.woff2': 'file', '.svg': 'dataurl' },
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  logLevel: 'warning',
});
await cp(join(here, 'index.html'), join(dist, 'index.html'));
await cp(join(grafana, 'dist/public/img/icons'), join(dist, 'public/build/img/icons'), { recursive: true });
// Grafana's global styles ask for these two; one variable font serves both.
for (const name of ['Inter-Regular', 'Inter-Medium']) {
  await cp(inter, join(dist, `public/fonts/inter/${name}.woff2`));
}

/** The HTTP API of Prometheus, asked as Grafana's data source asks it. */

export type Labels = Record<string, string>;
export interface Series { metric: Labels; values: [number, string][] }

export class Prometheus {
  constructor(private readonly url: string) {}

  /** Series of an instant query at `time` (Unix seconds), each with one value. */
  async now(expr: string, time: number): Promise<Series[]> {
    const data = await this.ask<{ resultType: string; result: unknown }>('query', { query: expr, time: String(time) });
    if (data.resultType === 'scalar') {
      return [{ metric: {}, values: [data.result as [number, string]] }];
    }
    if (data.resultType === 'vector') {
      return (data.result as { metric: Labels; value: [number, string] }[])
        .map(({ metric, value }) => ({ metric, values: [value] }));
    }
    return data.result as Series[];
  }

  /** Series of a range query; start, end and step in seconds. */
  async over(expr: string, start: number, end: number, step: number): Promise<Series[]> {
    const parameters = { query: expr, start: String(start), end: String(end), step: String(step) };
    return (await this.ask<{ result: Series[] }>('query_range', parameters)).result;
  }

  /** Values of a label, in the series that match `series` when it is given. */
  async labelValues(label: string, series: string | undefined, start: number, end: number): Promise<string[]> {
    const parameters: Record<string, string> = { start: String(start), end: String(end) };
    if (series) {
      parameters['match[]'] = series;
    }
    return this.ask<string[]>(`label/${encodeURIComponent(label)}/values`, parameters);
  }

  /** Names of the labels there are. */
  async labelNames(start: number, end: number): Promise<string[]> {
    return this.ask<string[]>('labels', { start: String(start), end: String(end) });
  }

  private async ask<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const said = (await answer.json()) as { status: string; data: T; error?: string };
    if (said.status !== 'success') {
      throw new Error(said.error ?? `Prometheus answered ${answer.status}`);
    }
    return said.data;
  }
}

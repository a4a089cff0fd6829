/**
 * Serves the built page on loopback: `node server.mjs [--prometheus URL] [--dashboards FOLDER] [--port N] [--scrape-interval 10s]`.
 * Dashboards are read anew for each page, so that a reload shows what was just generated.
 */

import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, dirname, extname, join, normalize, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');
export const DASHBOARDS = resolve(here, '../dashboards');
export const PROMETHEUS = 'http://127.0.0.1:9090';
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

/** Serve until `close()`; `port` 0 takes a free one. */
export async function serve({ prometheus, dashboards = DASHBOARDS, port = 0, scrapeInterval }) {
  const server = createServer((request, response) => {
    answer(request, response, { prometheus, dashboards, scrapeInterval }).catch((error) => {
      response.writeHead(500).end(error.message);
    });
  });
  await new Promise((done, failed) => server.once('error', failed).listen(port, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => { server.close(); server.closeAllConnections(); } };
}

async function answer(request, response, { prometheus, dashboards, scrapeInterval }) {
  const path = decodeURIComponent(new URL(request.url, 'http://page').pathname);
  if (path === '/setting.json') {
    const setting = { prometheus, scrapeInterval: scrapeInterval ?? await provisioned(), dashboards: await listed(dashboards) };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(setting));
    return;
  }
  const wanted = normalize(join(dist, path));
  const file = wanted.startsWith(dist + sep) && extname(wanted) ? wanted : join(dist, 'index.html');
  if (await stat(file).then((found) => found.isFile(), () => false)) {
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
  } else if (path.startsWith('/public/build/img/icons/')) {
    // The package of Grafana's components holds not every icon that they name.
    response.writeHead(200, { 'content-type': TYPES['.svg'] }).end('<svg xmlns="http://www.w3.org/2000/svg"/>');
  } else {
    response.writeHead(404).end('not found');
  }
}

/** Every dashboard below a folder, with the folder that Grafana files it in. */
export async function listed(folder) {
  const paths = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.json')).sort();
  return Promise.all(paths.map(async (path) => (
    { folder: basename(dirname(join(folder, path))), board: JSON.parse(await readFile(join(folder, path), 'utf8')) })));
}

/** The scrape interval that the provisioned data source tells Grafana. */
async function provisioned() {
  const text = await readFile(join(here, '../provisioning/datasources/datasources.yml'), 'utf8').catch(() => '');
  return /timeInterval:\s*(\S+)/.exec(text)?.[1] ?? '15s';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: {
    prometheus: { type: 'string', default: PROMETHEUS }, dashboards: { type: 'string', default: DASHBOARDS },
    port: { type: 'string', default: '3001' }, 'scrape-interval': { type: 'string' } } });
  try {
    const { url } = await serve({ ...values, port: Number(values.port), scrapeInterval: values['scrape-interval'] });
    console.log(`Dashboards over ${values.prometheus}: ${url}  (Ctrl-C ends it)`);
  } catch (error) {
    console.error(`Port ${values.port} cannot be used (${error.code}); --port takes another.`);
    process.exitCode = 1;
  }
}

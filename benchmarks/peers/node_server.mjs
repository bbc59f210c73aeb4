// The official JavaScript SDK behind Node's own http server, answering as GET /bucketer does.
//
//   node node_server.mjs PORT DATAFILE off|on
//
// Both ways it activates, as GET /bucketer does. off: without an event processor, so that events
// are dropped. on: with the SDK's own batches in memory, of the size its makers chose, and a
// dispatcher that does nothing, so that what an event costs is only its making.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import {
  createBatchEventProcessor,
  createInstance,
  createStaticProjectConfigManager,
} from '@optimizely/optimizely-sdk';

const [port, path, events] = process.argv.slice(2);

const settings = {
  projectConfigManager: createStaticProjectConfigManager({ datafile: readFileSync(path, 'utf8') }),
  disposable: true,
};
if (events === 'on') {
  settings.eventProcessor = createBatchEventProcessor({
    eventDispatcher: { dispatchEvent: async () => ({ statusCode: 200 }) },
  });
}
const optimizely = createInstance(settings);
await optimizely.onReady();

// tier:"platinum",member_since_days:56  (no commas inside values in this benchmark)
function parseAttributes(text) {
  const attributes = {};
  for (const item of text.split(',')) {
    const colon = item.indexOf(':');
    attributes[item.slice(0, colon)] = JSON.parse(item.slice(colon + 1));
  }
  return attributes;
}

const server = createServer((request, response) => {
  const url = request.url;
  const at = url.indexOf('?');
  if (url.slice(0, at) !== '/bucketer') {
    response.writeHead(404).end();
    return;
  }
  const query = new URLSearchParams(url.slice(at + 1));
  const experiment = query.get('e');
  const user = query.get('u');
  const variation = optimizely.activate(experiment, user, parseAttributes(query.get('a')));
  const body = JSON.stringify({ variation, user, experiment });
  response.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
});
server.listen(Number(port), '127.0.0.1');

// node_server.mjs in several processes that share a port, by Node's own cluster module.
//
//   node node_cluster.mjs WORKERS PORT DATAFILE off|on
import cluster from 'node:cluster';

if (cluster.isPrimary) {
  const [workers, ...rest] = process.argv.slice(2);
  cluster.setupPrimary({ exec: new URL('node_server.mjs', import.meta.url).pathname, args: rest });
  for (let made = 0; made < Number(workers); made += 1) cluster.fork();
  process.on('SIGTERM', () => process.exit(0));
}

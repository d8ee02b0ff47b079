// Serves workflows.ts on a task queue until SIGTERM: node worker.js ADDRESS TASK_QUEUE
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';

const [address, taskQueue] = process.argv.slice(2);
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
});
const running = worker.run();
console.log('worker ready');
await running;
await connection.close();

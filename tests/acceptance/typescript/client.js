// Publishes a request and prints what comes of it, one CloudEvent a line, until the run has
// ended: node client.js NATS_URL SUBJECT_PREFIX STREAM_PREFIX
import { randomUUID } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';

const [servers, subjects, streams] = process.argv.slice(2);
const client = await connect({ servers });
const js = jetstream(client);
const results = await js.consumers.get(`${streams}RESULTS`, {
  filter_subjects: `${subjects}results.>`,
});

const request = {
  specversion: '1.0',
  id: randomUUID(),
  source: '/examples/node',
  type: 'io.example.shop.ordered.v1',
  data: { number: 7 },
};
const structured = headers();
structured.set('Content-Type', 'application/cloudevents+json');
await js.publish(`${subjects}events.shop.ordered`, JSON.stringify(request), { headers: structured });

for await (const message of await results.consume()) {
  const result = message.json();
  if (result.correlationid !== request.id) continue;
  console.log(JSON.stringify(result));
  if (message.subject.endsWith('results.workflow.completed')) break;
}
await client.close();

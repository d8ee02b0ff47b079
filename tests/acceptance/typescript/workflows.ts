// A workflow that a route starts and that emits result events: nothing in it is the bridge's own
// but the name of an activity and of its task queue.
import { proxyActivities } from '@temporalio/workflow';

interface Order {
  number: number;
}

interface Shipment {
  order: number;
  parcels: number;
}

interface ResultEvent {
  type: string;
  data?: unknown;
}

const bridge = proxyActivities<{
  'events.emit'(event: ResultEvent): Promise<{ ids: string[] }>;
}>({ taskQueue: 'ntbridge-events', startToCloseTimeout: '5s' });
const emit = bridge['events.emit'];

export async function ShipOrder(order: Order): Promise<Shipment> {
  await emit({ type: 'io.example.shop.packed.v1', data: { order: order.number } });
  const shipment = { order: order.number, parcels: 2 };
  await emit({ type: 'io.example.shop.shipped.v1', data: shipment });
  return shipment;
}

// Appends, reads, follows, recovers, and retries with a producer, over WalService. The stubs are generated
// into stubs/.
import * as assert from "node:assert";
import * as grpc from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";

import { ErrorInfo } from "./stubs/google/rpc/error_details";
import { Status } from "./stubs/google/rpc/status";
import {
  AppendRequest,
  AppendResponse,
  AppendStreamRequest,
  AppendStreamResponse,
  OpenProducerRequest,
  OpenProducerResponse,
  ReadRequest,
  ReadResponse,
  RecoverRequest,
  RecoverResponse,
  StreamedAppendResult,
  TableAppend,
  TableRange,
  WalServiceClient,
} from "./stubs/walden/v1/wal";

const REGION = 1n;
const TABLE = 9n;
const OTHER_TABLE = 10n;

// Turns the callback of a unary call into a promise.
function answer<Response>(call: (done: grpc.requestCallback<Response>) => void): Promise<Response> {
  return new Promise((resolve, reject) =>
    call((error, response) => (error ? reject(error) : resolve(response!))),
  );
}

function payloadsFor(tableId: bigint, payloads: string[], expectedNextSequence?: bigint): TableAppend {
  return { tableId, payloads: payloads.map((text) => Buffer.from(text)), expectedNextSequence };
}

// Appends one batch, which is stored in all of its tables or in none.
async function append(wal: WalServiceClient, ...tables: TableAppend[]) {
  const request = AppendRequest.fromPartial({ regionId: REGION, tables });
  const appended = await answer<AppendResponse>((done) => wal.append(request, done));
  assert.ok(appended.durable);
  return appended;
}

const numbers = (written: TableRange) => `${written.firstSequence} to ${written.lastSequence}`;
const text = (payload: Uint8Array) => Buffer.from(payload).toString();

async function appendTwo(wal: WalServiceClient) {
  const appended = await append(wal, payloadsFor(TABLE, ["one", "two"]));
  console.log(`appended: ${numbers(appended.tables[0])}, durable`);
}

async function readTable(wal: WalServiceClient, tableId: bigint) {
  const records: string[] = [];
  const stream = wal.read(ReadRequest.fromPartial({ regionId: REGION, tableId }));
  for await (const response of stream as AsyncIterable<ReadResponse>) {
    records.push(...response.records.map((record) => `${record.sequence} ${text(record.payload)}`));
  }
  return records.join(", ");
}

async function read(wal: WalServiceClient) {
  console.log("read:", await readTable(wal, TABLE));
}

// Appends one record once the stream has caught up, and ends when it arrives.
async function follow(wal: WalServiceClient) {
  const stream = wal.read(
    ReadRequest.fromPartial({ regionId: REGION, tableId: TABLE, start: { exclusive: 2n }, follow: true }),
  );
  stream.on("error", () => {}); // the cancellation below
  let appended = false;
  for await (const response of stream as AsyncIterable<ReadResponse>) {
    if (response.records.length > 0) {
      const record = response.records[0];
      console.log(`followed: caught up, then ${record.sequence} ${text(record.payload)}`);
      break;
    }
    if (response.caughtUp && !appended) {
      appended = true;
      await append(wal, payloadsFor(TABLE, ["three"]));
    }
  }
  stream.cancel();
}

async function recover(wal: WalServiceClient) {
  let records = 0n;
  let summary: RecoverResponse["summary"];
  const stream = wal.recover(RecoverRequest.fromPartial({ regionId: REGION }));
  for await (const response of stream as AsyncIterable<RecoverResponse>) {
    records += BigInt(response.records.length);
    summary = response.summary ?? summary;
  }
  assert.ok(summary !== undefined && summary.recordCount === records, "the stream was cut");
  console.log(
    `recovered: ${records} records with ${summary.payloadBytes} bytes in ${summary.tableCount} table`,
  );
}

// Decodes the reason of a refusal, and one value of its metadata.
function reason(status: Status, key: string) {
  const detail = status.details.find(
    (any) => any.typeUrl === "type.googleapis.com/google.rpc.ErrorInfo",
  );
  assert.ok(detail, "the error has no reason");
  const info = ErrorInfo.decode(detail.value);
  const value = new Map(Object.entries(info.metadata)).get(key);
  return `${grpc.status[status.code]}, ${info.reason}, ${key} ${value}`;
}

async function refused(wal: WalServiceClient) {
  const error: grpc.ServiceError = await append(wal, payloadsFor(TABLE, ["never stored"], 1n)).then(
    () => assert.fail("must be refused"),
    (error) => error,
  );
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  console.log("refused:", reason(Status.decode(bytes as Buffer), "actual_next_sequence"));
}

// Sends batches in one message of a stream, and returns the answers in the order of the batches.
async function appendStream(wal: WalServiceClient, ...batches: AppendRequest[]) {
  const stream = wal.appendStream();
  const appends = batches.map((append, index) => ({ requestId: BigInt(index), append }));
  stream.write(AppendStreamRequest.fromPartial({ appends }));
  stream.end();
  const results = new Map<bigint, StreamedAppendResult>();
  for await (const response of stream as AsyncIterable<AppendStreamResponse>) {
    response.results.forEach((result) => results.set(result.requestId, result));
  }
  return appends.map(({ requestId }) => results.get(requestId)!);
}

function describe({ response: appended, error }: StreamedAppendResult) {
  return appended !== undefined
    ? `${numbers(appended.tables[0])}, ${appended.duplicate ? "duplicate" : "stored"}`
    : reason(error!, "expected_producer_sequence");
}

// Numbers its batches, so that the daemon recognises one that is sent again.
async function produce(wal: WalServiceClient) {
  const { producerId } = await answer<OpenProducerResponse>((done) =>
    wal.openProducer(OpenProducerRequest.fromPartial({ regionId: REGION }), done),
  );
  const batch = (sequence: bigint, ...payloads: string[]) =>
    AppendRequest.fromPartial({
      regionId: REGION,
      tables: [payloadsFor(TABLE, payloads)],
      producer: { producerId, producerSequence: sequence },
    });
  const first = batch(1n, "four", "five");
  const [stored] = await appendStream(wal, first);
  // Sends the first batch again, as after a stream that broke before the answer. The second is left out,
  // so the third is refused.
  const [again, refusal] = await appendStream(wal, first, batch(3n, "never stored"));
  console.log("produced:", describe(stored));
  console.log("produced again:", describe(again));
  console.log("refused:", describe(refusal));
}

async function appendToTwoTables(wal: WalServiceClient) {
  const { tables } = await append(
    wal,
    payloadsFor(TABLE, ["six"]),
    payloadsFor(OTHER_TABLE, ["seven", "eight"]),
  );
  const written = tables.map((table) => `${table.tableId} has ${numbers(table)}`);
  console.log("appended to two tables:", written.join(", "));
  for (const { tableId } of tables) {
    console.log(`read table ${tableId}: ${await readTable(wal, tableId)}`);
  }
}

async function checkHealth(address: string) {
  const Health = grpc.makeGenericClientConstructor(healthService, "Health");
  const client = new Health(address, grpc.credentials.createInsecure());
  const { status } = await answer<{ status: string }>((done) => client.check({ service: "" }, done));
  console.log("health:", status);
  client.close();
}

async function main(address: string) {
  await checkHealth(address);
  const wal = new WalServiceClient(address, grpc.credentials.createInsecure());
  await appendTwo(wal);
  await read(wal);
  await follow(wal);
  await recover(wal);
  await refused(wal);
  await produce(wal);
  await appendToTwoTables(wal);
  wal.close();
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});

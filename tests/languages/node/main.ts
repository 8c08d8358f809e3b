// Uses each kind of call of WalService once. The stubs are generated into stubs/.
import * as assert from "node:assert";
import * as grpc from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";

import { ErrorInfo } from "./stubs/google/rpc/error_details";
import { Status } from "./stubs/google/rpc/status";
import {
  AppendRequest,
  AppendResponse,
  ReadRequest,
  ReadResponse,
  RecoverRequest,
  RecoverResponse,
  WalServiceClient,
} from "./stubs/walden/v1/wal";

const REGION = 1n;
const TABLE = 9n;

function append(wal: WalServiceClient, payloads: string[], expected?: bigint): Promise<AppendResponse> {
  const request = AppendRequest.fromPartial({
    regionId: REGION,
    tables: [
      { tableId: TABLE, payloads: payloads.map((text) => Buffer.from(text)), expectedNextSequence: expected },
    ],
  });
  return new Promise((resolve, reject) =>
    wal.append(request, (error, response) => (error ? reject(error) : resolve(response))),
  );
}

const text = (payload: Uint8Array) => Buffer.from(payload).toString();

async function read(wal: WalServiceClient) {
  const records: string[] = [];
  const stream = wal.read(ReadRequest.fromPartial({ regionId: REGION, tableId: TABLE }));
  for await (const response of stream as AsyncIterable<ReadResponse>) {
    records.push(...response.records.map((record) => `${record.sequence} ${text(record.payload)}`));
  }
  console.log("read:", records.join(", "));
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
      await append(wal, ["three"]);
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

async function refused(wal: WalServiceClient) {
  const error: grpc.ServiceError = await append(wal, ["four"], 1n).then(
    () => assert.fail("must be refused"),
    (error) => error,
  );
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const detail = Status.decode(bytes as Buffer).details.find(
    (any) => any.typeUrl === "type.googleapis.com/google.rpc.ErrorInfo",
  );
  const info = ErrorInfo.decode(detail!.value);
  const actual = new Map(Object.entries(info.metadata)).get("actual_next_sequence");
  console.log(`refused: ${grpc.status[error.code]}, ${info.reason}, actual_next_sequence ${actual}`);
}

async function checkHealth(address: string) {
  const Health = grpc.makeGenericClientConstructor(healthService, "Health");
  const client = new Health(address, grpc.credentials.createInsecure());
  const { status } = await new Promise<{ status: string }>((resolve, reject) =>
    client.check({ service: "" }, (error: grpc.ServiceError | null, answer: { status: string }) =>
      error ? reject(error) : resolve(answer),
    ),
  );
  console.log("health:", status);
  client.close();
}

async function main(address: string) {
  await checkHealth(address);
  const wal = new WalServiceClient(address, grpc.credentials.createInsecure());
  const appended = await append(wal, ["one", "two"]);
  assert.ok(appended.durable);
  const [numbers] = appended.tables;
  console.log(`appended: ${numbers.firstSequence} to ${numbers.lastSequence}, durable`);
  await read(wal);
  await follow(wal);
  await recover(wal);
  await refused(wal);
  wal.close();
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import io.walden.v1.AppendRequest;
import io.walden.v1.AppendResponse;
import io.walden.v1.AppendStreamRequest;
import io.walden.v1.AppendStreamResponse;
import io.walden.v1.Bound;
import io.walden.v1.OpenProducerRequest;
import io.walden.v1.ProducerBatch;
import io.walden.v1.ReadRequest;
import io.walden.v1.ReadResponse;
import io.walden.v1.LogRecord;
import io.walden.v1.RecoverRequest;
import io.walden.v1.RecoverResponse;
import io.walden.v1.RecoverSummary;
import io.walden.v1.StreamedAppend;
import io.walden.v1.StreamedAppendResult;
import io.walden.v1.TableAppend;
import io.walden.v1.TableRange;
import io.walden.v1.WalServiceGrpc;
import io.walden.v1.WalServiceGrpc.WalServiceBlockingStub;
import io.walden.v1.WalServiceGrpc.WalServiceStub;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Appends, reads, follows, recovers, and retries with a producer, over WalService. */
public final class Main {
  private static final long REGION = 1;
  private static final long TABLE = 9;
  private static final long OTHER_TABLE = 10;

  private final WalServiceBlockingStub stub;
  private final WalServiceStub asyncStub;

  private Main(ManagedChannel channel) {
    stub = WalServiceGrpc.newBlockingStub(channel);
    asyncStub = WalServiceGrpc.newStub(channel);
  }

  private WalServiceBlockingStub wal() {
    return stub.withDeadlineAfter(30, TimeUnit.SECONDS);
  }

  private static TableAppend.Builder payloadsFor(long table, String... payloads) {
    TableAppend.Builder batch = TableAppend.newBuilder().setTableId(table);
    for (String payload : payloads) {
      batch.addPayloads(ByteString.copyFromUtf8(payload));
    }
    return batch;
  }

  /** Appends one batch, which is stored in all of its tables or in none. */
  private AppendResponse append(TableAppend.Builder... tables) {
    AppendRequest.Builder request = AppendRequest.newBuilder().setRegionId(REGION);
    for (TableAppend.Builder table : tables) {
      request.addTables(table);
    }
    AppendResponse appended = wal().append(request.build());
    if (!appended.getDurable()) {
      throw new IllegalStateException("not durable: " + appended);
    }
    return appended;
  }

  private static String numbers(TableRange written) {
    return written.getFirstSequence() + " to " + written.getLastSequence();
  }

  private void appendTwo() {
    AppendResponse appended = append(payloadsFor(TABLE, "one", "two"));
    System.out.printf("appended: %s, durable%n", numbers(appended.getTables(0)));
  }

  private String readTable(long table) {
    List<String> records = new ArrayList<>();
    ReadRequest request = ReadRequest.newBuilder().setRegionId(REGION).setTableId(table).build();
    wal().read(request).forEachRemaining(response -> {
      for (LogRecord record : response.getRecordsList()) {
        records.add(record.getSequence() + " " + record.getPayload().toStringUtf8());
      }
    });
    return String.join(", ", records);
  }

  private void read() {
    System.out.println("read: " + readTable(TABLE));
  }

  /** Appends one record once the stream has caught up, and ends when it arrives. */
  private void follow() {
    ReadRequest request = ReadRequest.newBuilder().setRegionId(REGION).setTableId(TABLE)
        .setStart(Bound.newBuilder().setExclusive(2)).setFollow(true).build();
    Context.CancellableContext context = Context.current().withCancellation();
    context.run(() -> {
      Iterator<ReadResponse> stream = wal().read(request);
      boolean appended = false;
      while (stream.hasNext()) {
        ReadResponse response = stream.next();
        if (response.getRecordsCount() > 0) {
          LogRecord record = response.getRecords(0);
          System.out.printf("followed: caught up, then %d %s%n", record.getSequence(),
              record.getPayload().toStringUtf8());
          return;
        }
        if (response.getCaughtUp() && !appended) {
          appended = true;
          append(payloadsFor(TABLE, "three"));
        }
      }
    });
    context.cancel(null);
  }

  private void recover() {
    long records = 0;
    RecoverSummary summary = null;
    Iterator<RecoverResponse> stream =
        wal().recover(RecoverRequest.newBuilder().setRegionId(REGION).build());
    while (stream.hasNext()) {
      RecoverResponse response = stream.next();
      records += response.getRecordsCount();
      if (response.hasSummary()) {
        summary = response.getSummary();
      }
    }
    if (summary == null || summary.getRecordCount() != records) {
      throw new IllegalStateException("the stream was cut");
    }
    System.out.printf("recovered: %d records with %d bytes in %d table%n", records,
        summary.getPayloadBytes(), summary.getTableCount());
  }

  /** Decodes the reason of a refusal, and one value of its metadata. */
  private static String reason(Status refusal, String key) throws InvalidProtocolBufferException {
    for (Any detail : refusal.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        return String.format("%s, %s, %s %s", Code.forNumber(refusal.getCode()),
            info.getReason(), key, info.getMetadataOrThrow(key));
      }
    }
    throw new IllegalStateException("the error has no reason: " + refusal);
  }

  private void refused() throws InvalidProtocolBufferException {
    try {
      append(payloadsFor(TABLE, "never stored").setExpectedNextSequence(1));
    } catch (StatusRuntimeException error) {
      Status refusal = StatusProto.fromThrowable(error);
      System.out.println("refused: " + reason(refusal, "actual_next_sequence"));
    }
  }

  /** Sends batches in one message of a stream, and returns the answers in the order of the batches. */
  private StreamedAppendResult[] appendStream(AppendRequest... batches) {
    AppendStreamRequest.Builder message = AppendStreamRequest.newBuilder();
    for (int id = 0; id < batches.length; id++) {
      message.addAppends(StreamedAppend.newBuilder().setRequestId(id).setAppend(batches[id]));
    }
    StreamedAppendResult[] results = new StreamedAppendResult[batches.length];
    CompletableFuture<Void> end = new CompletableFuture<>();
    StreamObserver<AppendStreamRequest> requests =
        asyncStub.withDeadlineAfter(30, TimeUnit.SECONDS).appendStream(new StreamObserver<>() {
          @Override
          public void onNext(AppendStreamResponse response) {
            for (StreamedAppendResult result : response.getResultsList()) {
              results[(int) result.getRequestId()] = result;
            }
          }

          @Override
          public void onError(Throwable error) {
            end.completeExceptionally(error);
          }

          @Override
          public void onCompleted() {
            end.complete(null);
          }
        });
    requests.onNext(message.build());
    requests.onCompleted();
    end.join();
    return results;
  }

  private static String describe(StreamedAppendResult result) throws InvalidProtocolBufferException {
    if (result.hasError()) {
      return reason(result.getError(), "expected_producer_sequence");
    }
    AppendResponse appended = result.getResponse();
    return numbers(appended.getTables(0)) + (appended.getDuplicate() ? ", duplicate" : ", stored");
  }

  private static AppendRequest batch(long producer, long sequence, String... payloads) {
    return AppendRequest.newBuilder().setRegionId(REGION)
        .setProducer(ProducerBatch.newBuilder()
            .setProducerId(producer).setProducerSequence(sequence))
        .addTables(payloadsFor(TABLE, payloads)).build();
  }

  /** Numbers its batches, so that the daemon recognises one that is sent again. */
  private void produce() throws InvalidProtocolBufferException {
    long id = wal().openProducer(OpenProducerRequest.newBuilder().setRegionId(REGION).build())
        .getProducerId();
    AppendRequest first = batch(id, 1, "four", "five");
    AppendRequest third = batch(id, 3, "never stored");
    StreamedAppendResult[] stored = appendStream(first);
    // Sends the first batch again, as after a stream that broke before the answer. The second is left out,
    // so the third is refused.
    StreamedAppendResult[] more = appendStream(first, third);
    System.out.println("produced: " + describe(stored[0]));
    System.out.println("produced again: " + describe(more[0]));
    System.out.println("refused: " + describe(more[1]));
  }

  private void appendToTwoTables() {
    AppendResponse appended =
        append(payloadsFor(TABLE, "six"), payloadsFor(OTHER_TABLE, "seven", "eight"));
    System.out.println("appended to two tables: " + appended.getTablesList().stream()
        .map(table -> table.getTableId() + " has " + numbers(table))
        .collect(Collectors.joining(", ")));
    for (TableRange table : appended.getTablesList()) {
      System.out.printf("read table %d: %s%n", table.getTableId(), readTable(table.getTableId()));
    }
  }

  private void run() throws Exception {
    appendTwo();
    read();
    follow();
    recover();
    refused();
    produce();
    appendToTwoTables();
  }

  public static void main(String[] arguments) throws Exception {
    ManagedChannel channel =
        ManagedChannelBuilder.forTarget(arguments[0]).usePlaintext().build();
    try {
      System.out.println("health: " + HealthGrpc.newBlockingStub(channel).withWaitForReady()
          .withDeadlineAfter(30, TimeUnit.SECONDS)
          .check(HealthCheckRequest.getDefaultInstance()).getStatus());
      new Main(channel).run();
    } finally {
      channel.shutdownNow();
    }
  }
}

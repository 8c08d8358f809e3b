import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.ErrorInfo;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import io.walden.v1.AppendRequest;
import io.walden.v1.AppendResponse;
import io.walden.v1.Bound;
import io.walden.v1.ReadRequest;
import io.walden.v1.ReadResponse;
import io.walden.v1.LogRecord;
import io.walden.v1.RecoverRequest;
import io.walden.v1.RecoverResponse;
import io.walden.v1.RecoverSummary;
import io.walden.v1.TableAppend;
import io.walden.v1.TableRange;
import io.walden.v1.WalServiceGrpc;
import io.walden.v1.WalServiceGrpc.WalServiceBlockingStub;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Uses each kind of call of WalService once. */
public final class Main {
  private static final long REGION = 1;
  private static final long TABLE = 9;

  private final WalServiceBlockingStub stub;

  private Main(ManagedChannel channel) {
    stub = WalServiceGrpc.newBlockingStub(channel);
  }

  private WalServiceBlockingStub wal() {
    return stub.withDeadlineAfter(30, TimeUnit.SECONDS);
  }

  private AppendResponse append(TableAppend.Builder batch, String... payloads) {
    batch.setTableId(TABLE);
    for (String payload : payloads) {
      batch.addPayloads(ByteString.copyFromUtf8(payload));
    }
    return wal().append(AppendRequest.newBuilder().setRegionId(REGION).addTables(batch).build());
  }

  private void appendTwo() {
    AppendResponse appended = append(TableAppend.newBuilder(), "one", "two");
    if (!appended.getDurable()) {
      throw new IllegalStateException("not durable: " + appended);
    }
    TableRange numbers = appended.getTables(0);
    System.out.printf(
        "appended: %d to %d, durable%n", numbers.getFirstSequence(), numbers.getLastSequence());
  }

  private void read() {
    List<String> records = new ArrayList<>();
    ReadRequest request = ReadRequest.newBuilder().setRegionId(REGION).setTableId(TABLE).build();
    wal().read(request).forEachRemaining(response -> {
      for (LogRecord record : response.getRecordsList()) {
        records.add(record.getSequence() + " " + record.getPayload().toStringUtf8());
      }
    });
    System.out.println("read: " + String.join(", ", records));
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
          append(TableAppend.newBuilder(), "three");
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

  private void refused() throws Exception {
    try {
      append(TableAppend.newBuilder().setExpectedNextSequence(1), "four");
    } catch (StatusRuntimeException error) {
      for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          System.out.printf("refused: %s, %s, actual_next_sequence %s%n",
              error.getStatus().getCode(), info.getReason(),
              info.getMetadataOrThrow("actual_next_sequence"));
        }
      }
    }
  }

  private void run() throws Exception {
    appendTwo();
    read();
    follow();
    recover();
    refused();
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

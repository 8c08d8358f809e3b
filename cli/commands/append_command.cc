// `walden append`.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cli/client/append_pipeline.h"
#include "cli/client/confirmed_appends.h"
#include "cli/commands/append_options.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/commands/write_options.h"
#include "cli/console/failure.h"
#include "cli/console/progress.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/records/batch_lines.h"
#include "cli/records/record_reader.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

// The daemon recognises this many batches of a producer, or fewer that together have this many tables.
constexpr uint64_t kProducerWindowBatches = 128;
constexpr uint64_t kProducerWindowTables = 2048;

// `limit` 0: there is none.
uint64_t AtMost(uint64_t wanted, uint64_t limit) {
  return limit == 0 ? wanted : std::min(wanted, limit);
}

// A byte of a payload is six characters of JSON at most, "\u0000". The rest is for the fields' names.
constexpr uint64_t kJsonBytesPerByte = 8;

// A line per table with the numbers that its records got. They are contiguous if nobody else
// appends.
std::string TableLines(const ConfirmedAppends::Totals& totals) {
  std::string lines;
  for (const auto& [table, range] : totals.tables) {
    absl::StrAppend(&lines, "table ", table, ": sequence ",
                    RangeText(range.first_sequence, range.last_sequence), "\n");
  }
  return lines;
}

class AppendCommand {
 public:
  AppendCommand(Session& session, const AppendOptions& options)
      : session_(session), options_(options) {}

  absl::Status Run();

 private:
  absl::Status LearnLimits();
  uint64_t RecognisedBatches() const;
  absl::Status OpenProducer();
  // While the daemon cannot be reached, tries again for as long as appends may be retried.
  template <typename Stub, typename Request, typename Response>
  absl::Status Ask(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   Stub& stub, const Request& request, Response* response);
  absl::Status AppendArguments();
  absl::Status AppendInput();
  absl::Status AppendRecords(RecordReader& reader, const std::string& name, uint64_t input_bytes);
  // Takes a record or, with --batches, a batch. `where`: the place of it, for error messages.
  absl::Status Add(absl::string_view input, absl::string_view where);
  absl::Status AddRecord(absl::string_view payload);
  absl::Status AddBatch(absl::string_view json, absl::string_view where);
  absl::Status SendBatch();
  v1::AppendRequest NextRequest() const;
  absl::Status Send(v1::AppendRequest request);
  std::string Summary(const ConfirmedAppends::Totals& totals) const;
  absl::Status Report(const absl::Status& status);
  void OnAppended(const v1::AppendRequest& request, const v1::AppendResponse& response);

  Session& session_;
  const AppendOptions& options_;
  std::optional<uint64_t> producer_;
  v1::Limits limits_;
  uint64_t batch_records_ = 0;
  uint64_t batch_bytes_ = 0;

  ConfirmedAppends confirmed_;
  v1::TableAppend batch_;
  uint64_t collected_bytes_ = 0;
  uint64_t sent_batches_ = 0;

  absl::Mutex output_mutex_;
  absl::Status output_status_ ABSL_GUARDED_BY(output_mutex_);

  std::unique_ptr<AppendPipeline> pipeline_;  // the last member: its thread uses the others
};

absl::Status AppendCommand::Run() {
  AppendPipeline::Options pipeline;
  pipeline.max_in_flight = options_.write.expect_next.has_value() ? 1 : options_.in_flight;
  if (absl::Status known = LearnLimits(); !known.ok()) return known;
  if (options_.retries()) {
    pipeline.retry_for = options_.retry_for();
    pipeline.max_in_flight = std::min(pipeline.max_in_flight, RecognisedBatches());
  }
  pipeline.max_message_batches =
      AtMost(pipeline.max_message_batches, limits_.max_stream_message_appends());
  pipeline.max_message_bytes =
      AtMost(pipeline.max_message_bytes, limits_.max_request_message_bytes());
  if (absl::Status opened = OpenProducer(); !opened.ok()) return opened;
  pipeline_ = std::make_unique<AppendPipeline>(
      session_.connection(), pipeline,
      [this](const v1::AppendRequest& request, const v1::AppendResponse& response) {
        OnAppended(request, response);
      });
  absl::Status status = options_.payloads.empty() ? AppendInput() : AppendArguments();
  // A bad record or Ctrl-C ends the input; what came before it is still appended.
  if (status.ok() || HasReason(status, kReasonInterrupted) || HasReason(status, kReasonBadInput)) {
    if (absl::Status sent = SendBatch(); !sent.ok()) status = sent;
  }
  if (absl::Status finished = pipeline_->Finish(); !finished.ok()) status = finished;
  return Report(status);
}

// Every batch that is in flight can be sent again.
uint64_t AppendCommand::RecognisedBatches() const {
  if (!options_.batches || limits_.max_batch_tables() == 0) return kProducerWindowBatches;
  return std::clamp<uint64_t>(kProducerWindowTables / limits_.max_batch_tables(), 1,
                              kProducerWindowBatches);
}

template <typename Stub, typename Request, typename Response>
absl::Status AppendCommand::Ask(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                Stub& stub, const Request& request, Response* response) {
  Connection& connection = session_.connection();
  const absl::Time give_up =
      options_.retries() ? absl::Now() + options_.retry_for() : absl::InfinitePast();
  for (;;) {
    absl::Status status = connection.Unary(method, stub, request, response);
    if (status.code() != absl::StatusCode::kUnavailable || absl::Now() >= give_up) return status;
    if (!session_.interrupt().Sleep(absl::Milliseconds(20))) return status;
    (void)connection.WaitUntilReachable(give_up - absl::Now());
  }
}

// An id whose answer was lost is never used.
absl::Status AppendCommand::OpenProducer() {
  producer_ = options_.producer;
  if (producer_.has_value() || !options_.retries()) return absl::OkStatus();
  auto request = RegionRequest<v1::OpenProducerRequest>(session_, options_.region);
  if (options_.write.region_version.has_value()) {
    request.set_region_version(*options_.write.region_version);
  }
  v1::OpenProducerResponse response;
  absl::Status status =
      Ask(&v1::WalService::Stub::OpenProducer, session_.connection().wal(), request, &response);
  if (status.ok()) producer_ = response.producer_id();
  return status;
}

// Batches are cut to what the daemon accepts.
absl::Status AppendCommand::LearnLimits() {
  v1::GetServerInfoResponse info;
  absl::Status status = Ask(&v1::AdminService::Stub::GetServerInfo, session_.connection().admin(),
                            v1::GetServerInfoRequest(), &info);
  if (!status.ok()) return status;
  limits_ = info.limits();
  batch_records_ = AtMost(options_.batch_records.value_or(256), limits_.max_batch_records());
  batch_bytes_ = AtMost(options_.batch_bytes.value_or(1u << 20), limits_.max_batch_bytes());
  return absl::OkStatus();
}

absl::Status AppendCommand::AppendArguments() {
  for (size_t i = 0; i < options_.payloads.size(); ++i) {
    absl::Status added = Add(options_.payloads[i], absl::StrCat("argument ", i + 1));
    if (!added.ok()) return added;
  }
  return absl::OkStatus();
}

absl::Status AppendCommand::AppendInput() {
  const bool from_file = !options_.file.empty() && options_.file != "-";
  const int fd = from_file ? open(options_.file.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  if (fd < 0) return FileFailure(errno, absl::StrCat("cannot open ", options_.file));
  if (!from_file && isatty(fd) == 1) {
    session_.Note(absl::StrCat("Appending what you type, a ", options_.batches ? "batch" : "record",
                               " per line; Ctrl-D ends it."));
  }
  struct stat info {};
  const bool has_size = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  RecordReader::Options reading;
  reading.framing = options_.length_delimited ? Framing::kLengthDelimited : Framing::kLines;
  reading.name = from_file ? options_.file : "standard input";
  reading.interrupt_fd = session_.interrupt().fd();
  if (options_.batches) {
    reading.max_record_bytes =
        std::max(reading.max_record_bytes, kJsonBytesPerByte * limits_.max_batch_bytes());
  } else if (limits_.max_payload_bytes() > 0) {
    reading.max_record_bytes = limits_.max_payload_bytes();
  }
  RecordReader reader(fd, reading);
  absl::Status status =
      AppendRecords(reader, reading.name, has_size ? static_cast<uint64_t>(info.st_size) : 0);
  if (from_file) close(fd);
  return status;
}

absl::Status AppendCommand::AppendRecords(RecordReader& reader, const std::string& name,
                                          uint64_t input_bytes) {
  Progress progress(session_.err(), "appending");
  for (uint64_t records = 0;; ++records) {
    // Slow input, such as a pipe that somebody types into: do not sit on a part of a batch.
    if (!reader.Ready()) {
      absl::Status sent = SendBatch();
      if (sent.ok()) sent = pipeline_->Flush();
      if (!sent.ok()) return sent;
    }
    const auto record = reader.Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) return absl::OkStatus();
    absl::Status added = Add(**record, absl::StrCat(name, ", line ", records + 1));
    if (!added.ok()) return added;
    if (records % 1024 == 0) {
      if (session_.interrupt().requested()) {
        return Failure(absl::StatusCode::kCancelled, kReasonInterrupted, "interrupted");
      }
      progress.Update({confirmed_.records(), reader.offset(), input_bytes});
    }
  }
}

absl::Status AppendCommand::Add(absl::string_view input, absl::string_view where) {
  return options_.batches ? AddBatch(input, where) : AddRecord(input);
}

absl::Status AppendCommand::AddBatch(absl::string_view json, absl::string_view where) {
  absl::StatusOr<std::vector<v1::TableAppend>> tables = BatchFromJson(json);
  if (!tables.ok()) return WithContext(tables.status(), absl::StrCat(where, ": "));
  v1::AppendRequest request = NextRequest();
  for (v1::TableAppend& table : *tables) *request.add_tables() = std::move(table);
  return Send(std::move(request));
}

absl::Status AppendCommand::AddRecord(absl::string_view payload) {
  const bool full = static_cast<uint64_t>(batch_.payloads_size()) >= batch_records_ ||
                    collected_bytes_ + payload.size() > batch_bytes_;
  if (full) {
    if (absl::Status sent = SendBatch(); !sent.ok()) return sent;
  }
  batch_.add_payloads(payload.data(), payload.size());
  collected_bytes_ += payload.size();
  return absl::OkStatus();
}

absl::Status AppendCommand::SendBatch() {
  if (batch_.payloads_size() == 0) return absl::OkStatus();
  batch_.set_table_id(*options_.table);
  if (options_.write.expect_next.has_value()) {
    // Each batch expects to follow the one before it.
    if (absl::Status answered = pipeline_->WaitForAnswers(); !answered.ok()) return answered;
    batch_.set_expected_next_sequence(sent_batches_ == 0
                                          ? *options_.write.expect_next
                                          : confirmed_.last_sequence(*options_.table) + 1);
  }
  v1::AppendRequest request = NextRequest();
  *request.add_tables() = std::exchange(batch_, v1::TableAppend());
  collected_bytes_ = 0;
  return Send(std::move(request));
}

// Without its tables.
v1::AppendRequest AppendCommand::NextRequest() const {
  auto request = RegionRequest<v1::AppendRequest>(session_, options_.region);
  SetWriteOptions(options_.write, request);
  if (producer_.has_value()) {
    request.mutable_producer()->set_producer_id(*producer_);
    request.mutable_producer()->set_producer_sequence(options_.producer_start + sent_batches_);
  }
  return request;
}

absl::Status AppendCommand::Send(v1::AppendRequest request) {
  ++sent_batches_;
  absl::Status sent = pipeline_->Send(std::move(request));
  if (!sent.ok()) return sent;
  absl::MutexLock lock(&output_mutex_);
  return output_status_;
}

void AppendCommand::OnAppended(const v1::AppendRequest& request,
                               const v1::AppendResponse& response) {
  confirmed_.Add(request, response);
  if (!session_.json()) return;
  Json line = ToJson(response);
  line["record_count"] = RecordCount(request);
  if (request.has_producer()) line["producer_sequence"] = request.producer().producer_sequence();
  absl::Status printed = session_.PrintJson(line);
  if (printed.ok()) printed = session_.out().Flush();
  absl::MutexLock lock(&output_mutex_);
  if (output_status_.ok()) output_status_ = printed;
}

std::string AppendCommand::Summary(const ConfirmedAppends::Totals& totals) const {
  std::string summary = absl::StrCat("appended ", Counted(totals.records, "record"));
  if (totals.records > 0) {
    if (options_.batches) {
      absl::StrAppend(&summary, " to ", Counted(totals.tables.size(), "table"));
    } else if (!totals.tables.empty()) {
      const ConfirmedAppends::Range& range = totals.tables.begin()->second;
      absl::StrAppend(&summary, ", sequence ",
                      RangeText(range.first_sequence, range.last_sequence));
    }
    absl::StrAppend(&summary, totals.all_durable ? ", durable" : ", written but not yet durable");
  }
  if (totals.duplicate_batches > 0) {
    absl::StrAppend(&summary, ", ", totals.duplicate_batches, " of ",
                    Counted(totals.batches, "batch"), " had been stored before");
  }
  return summary;
}

absl::Status AppendCommand::Report(const absl::Status& status) {
  const ConfirmedAppends::Totals totals = confirmed_.totals();
  const std::string summary = Summary(totals);
  if (status.ok()) {
    if (session_.json()) return absl::OkStatus();
    return session_.out().Write(
        absl::StrCat(summary, "\n", options_.batches ? TableLines(totals) : ""));
  }
  if (totals.records == 0 && pipeline_->uncertain_batches() == 0) return status;
  std::string context = summary;
  if (const size_t uncertain = pipeline_->uncertain_batches(); uncertain > 0) {
    absl::StrAppend(&context, ", ", Counted(uncertain, "batch"),
                    " sent that may or may not be stored");
  }
  return WithContext(status, absl::StrCat(context, "; then: "));
}

}  // namespace

void AddAppendCommand(CommandSet& commands) {
  auto options = std::make_shared<AppendOptions>();
  Command command = commands.Add(
      "append",
      "Append records to a table: from arguments, a file or standard input.\n"
      "Prints the number of records and their sequence numbers; with --json one line per batch,\n"
      "with the numbers of each table. With --batches each argument or line is a batch over\n"
      "several tables, which is stored whole or not at all. It is a JSON list of records as\n"
      "`read --json` prints them: "
      "[{\"table\":1,\"payload\":\"a\"},{\"table\":2,\"payload\":\"b\"}].\n"
      "Bytes that are not UTF-8 are \"payload_base64\".",
      {"walden append --region 1 --table 1 hello world",
       "walden append -r 1 -t 1 --file access.log",
       "tail -f app.log | walden append -r 1 -t 1 --buffered",
       "walden append -r 1 -t 1 --file big.bin --length-delimited --retry-for 5m",
       "walden append -r 1 -t 1 --file log --producer $(walden open-producer -r 1)",
       "walden append -r 1 --batches --file batches.json --retry-for 5m"});
  AddAppendOptions(command, *options);
  command.Runs([options](Session& session) {
    const absl::Status checked = CheckAppendOptions(*options);
    return checked.ok() ? AppendCommand(session, *options).Run() : checked;
  });
}

}  // namespace walden::cli

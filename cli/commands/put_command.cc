// `walden put`.
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/commands/write_options.h"
#include "cli/console/failure.h"
#include "cli/console/message_times.h"
#include "cli/console/wording.h"
#include "cli/records/entry_lines.h"
#include "cli/records/record_reader.h"

namespace walden::cli {
namespace {

struct PutOptions {
  uint64_t region = 0;
  uint64_t table = 0;
  std::vector<std::string> words;
  bool tombstones = false;
  std::optional<uint64_t> expires;
  WriteOptions write;
};

// Entries of one put from standard input, and their bytes at most.
constexpr int kBatchEntries = 256;
constexpr size_t kBatchBytes = 1u << 20;

class PutCommand {
 public:
  PutCommand(Session& session, const PutOptions& options) : session_(session), options_(options) {
    Reset();
  }

  absl::Status Run() {
    const absl::Status status = options_.words.empty() ? PutInput() : PutWords();
    if (!session_.json() && entries_ > 0) {
      const absl::Status printed = session_.out().Write(
          absl::StrCat(Counted(entries_, "entry"), ", sequence ", RangeText(first_, last_),
                       all_durable_ ? ", durable" : ", not yet durable", "\n"));
      if (status.ok()) return printed;
    }
    return status;
  }

 private:
  void Reset() {
    request_ = TableRequest<v1::PutRequest>(session_, options_.region, options_.table);
    bytes_ = 0;
    SetWriteOptions(options_.write, request_);
    std::optional<uint64_t> expected = options_.write.expect_next;
    if (last_ != 0 && expected) expected = last_ + 1;
    if (expected) request_.set_expected_next_sequence(*expected);
  }

  // All in one batch.
  absl::Status PutWords() {
    const size_t step = options_.tombstones ? 1 : 2;
    if (options_.words.size() % step != 0) {
      return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput,
                     absl::StrCat("the key \"", options_.words.back(),
                                  "\" has no value; give KEY VALUE pairs, or --delete"));
    }
    for (size_t i = 0; i < options_.words.size(); i += step) {
      v1::Entry* const entry = request_.add_entries();
      entry->set_key(options_.words[i]);
      entry->set_tombstone(options_.tombstones);
      if (!options_.tombstones) entry->set_value(options_.words[i + 1]);
      if (options_.expires)
        *entry->mutable_expire_time() = TimestampOfUnixMillis(*options_.expires);
    }
    return Send();
  }

  absl::Status PutInput() {
    RecordReader lines(0, {.name = "standard input", .interrupt_fd = session_.interrupt().fd()});
    for (uint64_t number = 1;; ++number) {
      const auto line = lines.Next();
      if (!line.ok()) return line.status();
      if (!line->has_value()) return request_.entries().empty() ? absl::OkStatus() : Send();
      absl::StatusOr<v1::Entry> entry = EntryFromJson(**line);
      if (!entry.ok()) {
        return WithContext(entry.status(), absl::StrCat("standard input, line ", number, ": "));
      }
      bytes_ += (*line)->size();
      *request_.add_entries() = *std::move(entry);
      if (request_.entries_size() < kBatchEntries && bytes_ < kBatchBytes) continue;
      if (absl::Status sent = Send(); !sent.ok()) return sent;
    }
  }

  absl::Status Send() {
    Connection& connection = session_.connection();
    v1::PutResponse answer;
    const absl::Status put =
        connection.Unary(&v1::EntryService::Stub::Put, connection.entries(), request_, &answer);
    if (!put.ok()) return put;
    if (entries_ == 0) first_ = answer.first_sequence();
    last_ = answer.last_sequence();
    entries_ += static_cast<uint64_t>(request_.entries_size());
    all_durable_ &= answer.durable();
    Reset();
    return session_.json() ? session_.PrintMessage(answer) : absl::OkStatus();
  }

  Session& session_;
  const PutOptions& options_;
  v1::PutRequest request_;
  size_t bytes_ = 0;
  uint64_t entries_ = 0;
  uint64_t first_ = 0;
  uint64_t last_ = 0;
  bool all_durable_ = true;
};

}  // namespace

void AddPutCommand(CommandSet& commands) {
  auto options = std::make_shared<PutOptions>();
  Command command = commands.Add(
      "put",
      "Put row entries into an entry log: from arguments, or from standard input.\n"
      "Arguments are one batch, all or nothing. Standard input has one JSON object per line, as\n"
      "`flush --json` prints them: \"key\" or \"key_base64\", \"value\" or \"value_base64\",\n"
      "\"tombstone\", \"create_time\", \"expire_time\". With --json one line per batch.",
      {"walden put --region 1 --table 3 color green size 42", "walden put -r 1 -t 3 --delete color",
       "walden put -r 1 -t 3 --expires 10m session 81f3",
       "walden flush -r 1 -t 3 --json | grep '\"key\"' | walden put -r 1 -t 4"});
  command.AddRegion(options->region).Required();
  command.AddTable(options->table).Required();
  const Option words = command.Add("entries", options->words, "KEY VALUE pairs");
  command
      .AddFlag("--delete", options->tombstones, "The arguments are keys: put a tombstone for each")
      .Needs(words);
  command
      .Add("--expires", options->expires,
           "When the entries expire: a duration from now, such as 10m or 7d, or a time such as\n"
           "2026-11-30T15:04:05Z")
      .Check(FutureMoment())
      .Needs(words)
      .Value("TIME");
  AddWriteOptions(command, options->write);
  command.Runs([options](Session& session) { return PutCommand(session, *options).Run(); });
}

}  // namespace walden::cli

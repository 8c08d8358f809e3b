// `walden get` and `walden scan`.
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/client/response_stream.h"
#include "cli/client/stream_check.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/console/exit_code.h"
#include "cli/console/failure.h"
#include "cli/records/entry_lines.h"

namespace walden::cli {
namespace {

struct GetOptions {
  uint64_t region = 0;
  uint64_t table = 0;
  std::vector<std::string> keys;
};

struct ScanOptions {
  uint64_t region = 0;
  uint64_t table = 0;
  std::string from;
  std::optional<std::string> before;
  uint64_t limit = 0;
};

EntryFormat FormatFor(const Session& session, EntryFormat text) {
  return session.json() ? EntryFormat::kJson : text;
}

absl::Status Get(Session& session, const GetOptions& options) {
  Connection& connection = session.connection();
  auto request = TableMessagesRequest<v1::GetRequest>(session, options.region, options.table);
  for (const std::string& key : options.keys) request.add_keys(key);
  v1::GetResponse answer;
  const absl::Status got =
      connection.Unary(&v1::EntryService::Stub::Get, connection.entries(), request, &answer);
  if (!got.ok()) return got;
  const EntryFormat text = options.keys.size() == 1 ? EntryFormat::kValue : EntryFormat::kKeyValue;
  absl::Status absent;
  for (int i = 0; i < answer.results_size() && i < request.keys_size(); ++i) {
    if (answer.results(i).has_entry()) {
      const absl::Status printed =
          session.out().Write(EntryLine(FormatFor(session, text), answer.results(i).entry()));
      if (!printed.ok()) return printed;
    } else {
      absent.Update(Failure(absl::StatusCode::kNotFound, kReasonNoEntry,
                            absl::StrCat("no entry has the key \"", request.keys(i), "\""),
                            {{"field", "keys"}, {"value", request.keys(i)}}));
    }
  }
  return absent;
}

absl::Status TakeScanned(Session& session, const v1::ScanResponse& message, StreamCheck& check) {
  absl::Status taken = check.BeginMessage();
  for (const v1::Entry& entry : message.entries()) {
    check.Count(entry.key().size() + entry.value().size());
    taken.Update(session.out().Write(EntryLine(FormatFor(session, EntryFormat::kKeyValue), entry)));
  }
  if (!taken.ok() || !message.has_summary()) return taken;
  return check.TakeSummary(message.summary().entry_count(), message.summary().entry_bytes());
}

absl::Status Scan(Session& session, const ScanOptions& options) {
  auto request = TableMessagesRequest<v1::ScanRequest>(session, options.region, options.table);
  request.set_start_key(options.from);
  if (options.before) request.set_end_key(*options.before);
  request.set_max_entries(options.limit);
  StreamCheck check("entry");
  const absl::Status streamed = RunStream<v1::ScanResponse>(
      session.connection(),
      [&](grpc::ClientContext* context) {
        return session.connection().entries().Scan(context, request);
      },
      [&](const v1::ScanResponse& message) { return TakeScanned(session, message, check); });
  return streamed.ok() ? check.Finish() : streamed;
}

}  // namespace

void AddGetCommand(CommandSet& commands) {
  auto options = std::make_shared<GetOptions>();
  Command command = commands.Add(
      "get",
      "Print the newest entries of keys of an entry log.\n"
      "Of one key it prints the value, of several keys a line each: key, tab, value. A key\n"
      "without an entry is exit code 10, after the other keys were printed. A region that does\n"
      "not exist is exit code 7.",
      {"walden get --region 1 --table 3 color", "walden get -r 1 -t 3 color size --json"});
  command.AddRegion(options->region).Required();
  command.AddTable(options->table).Required();
  command.Add("keys", options->keys, "Keys").Required();
  command.Runs([options](Session& session) { return Get(session, *options); });
}

void AddScanCommand(CommandSet& commands) {
  auto options = std::make_shared<ScanOptions>();
  Command command = commands.Add(
      "scan",
      "Print the newest entry of each key of an entry log, in key order.\n"
      "Each line is key, tab and value. Use --json for keys with tabs or newlines.",
      {"walden scan --region 1 --table 3", "walden scan -r 1 -t 3 --from a --before b --limit 10"});
  command.AddRegion(options->region).Required();
  command.AddTable(options->table).Required();
  command.Add("--from", options->from, "First key, inclusive").Value("KEY");
  command.Add("--before", options->before, "Last key, exclusive").Value("KEY");
  command.Add("-n,--limit", options->limit, "Stop after this many entries")
      .Check(Number(1))
      .Value("N");
  command.Runs([options](Session& session) { return Scan(session, *options); });
}

}  // namespace walden::cli

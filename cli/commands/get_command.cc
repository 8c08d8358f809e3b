// `walden get` and `walden scan`.
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/client/response_stream.h"
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

absl::Status Scan(Session& session, const ScanOptions& options) {
  auto request = TableMessagesRequest<v1::ScanRequest>(session, options.region, options.table);
  request.set_start_key(options.from);
  if (options.before) request.set_end_key(*options.before);
  request.set_max_entries(options.limit);
  return RunStream<v1::ScanResponse>(
      session.connection(),
      [&](grpc::ClientContext* context) {
        return session.connection().entries().Scan(context, request);
      },
      [&](const v1::ScanResponse& message) {
        absl::Status printed;
        for (const v1::Entry& entry : message.entries()) {
          printed.Update(
              session.out().Write(EntryLine(FormatFor(session, EntryFormat::kKeyValue), entry)));
        }
        return printed;
      });
}

}  // namespace

void AddGetCommand(CLI::App& app, Program& program) {
  auto options = std::make_shared<GetOptions>();
  CLI::App& command = AddCommand(
      app, program, "get",
      "Print the newest entries of keys of an entry log.\n"
      "One key: its value and a newline. Several: key, tab and value each. A key without an\n"
      "entry is exit code 10, after the others were printed; a region that does not exist is 7.",
      {"walden get --region 1 --table 3 color", "walden get -r 1 -t 3 color size --json"});
  AddRegion(command, options->region).required();
  AddTable(command, options->table).required();
  command.add_option("keys", options->keys, "Keys")->required();
  command.callback([&program, options] {
    program.command = [options](Session& session) { return Get(session, *options); };
  });
}

void AddScanCommand(CLI::App& app, Program& program) {
  auto options = std::make_shared<ScanOptions>();
  CLI::App& command = AddCommand(
      app, program, "scan",
      "Print the newest entry of each key of an entry log, in key order.\n"
      "Key, tab and value each; keys with tabs or newlines in them want --json.",
      {"walden scan --region 1 --table 3", "walden scan -r 1 -t 3 --from a --before b --limit 10"});
  AddRegion(command, options->region).required();
  AddTable(command, options->table).required();
  command.add_option("--from", options->from, "First key, inclusive")->type_name("KEY");
  command.add_option("--before", options->before, "Last key, exclusive")->type_name("KEY");
  command.add_option("-n,--limit", options->limit, "Stop after this many entries")
      ->transform(Number(1))
      ->type_name("N");
  command.callback([&program, options] {
    program.command = [options](Session& session) { return Scan(session, *options); };
  });
}

}  // namespace walden::cli

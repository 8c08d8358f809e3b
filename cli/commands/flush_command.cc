// `walden flush` and `walden finalize`.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/client/response_stream.h"
#include "cli/commands/commands.h"
#include "cli/commands/requests.h"
#include "cli/commands/write_options.h"
#include "cli/console/failure.h"
#include "cli/console/units.h"
#include "cli/console/wording.h"
#include "cli/records/entry_lines.h"

namespace walden::cli {
namespace {

struct FlushOptions {
  uint64_t region = 0;
  uint64_t table = 0;
  std::string out;
  bool finalize = false;
  std::optional<uint64_t> region_version;
};

struct FinalizeOptions {
  uint64_t region = 0;
  uint64_t table = 0;
  uint64_t flush_id = 0;
  std::optional<uint64_t> region_version;
};

// A file that has its name only once all of it is durable.
class FlushFile {
 public:
  explicit FlushFile(std::string path) : path_(std::move(path)), partial_(path_ + ".partial") {}
  ~FlushFile() {
    output_ = nullptr;
    if (fd_ >= 0) close(fd_);
  }
  FlushFile(const FlushFile&) = delete;
  FlushFile& operator=(const FlushFile&) = delete;

  absl::Status Open() {
    fd_ = open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) return FileFailure(errno, absl::StrCat("cannot make ", partial_));
    output_ = std::make_unique<Output>(fd_, partial_);
    return absl::OkStatus();
  }
  Output& output() { return *output_; }

  absl::Status Complete() {
    if (absl::Status synced = output_->Sync(); !synced.ok()) return synced;
    if (std::rename(partial_.c_str(), path_.c_str()) != 0) {
      return FileFailure(errno, absl::StrCat("cannot rename ", partial_));
    }
    const size_t slash = path_.rfind('/');
    const std::string directory = slash == std::string::npos ? "."
                                  : slash == 0               ? "/"
                                                             : path_.substr(0, slash);
    const int directory_fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) return FileFailure(errno, absl::StrCat("cannot open ", directory));
    const int synced = fsync(directory_fd);
    const int error = errno;
    close(directory_fd);
    return synced == 0 ? absl::OkStatus()
                       : FileFailure(error, absl::StrCat("cannot sync ", directory));
  }

 private:
  const std::string path_;
  const std::string partial_;
  int fd_ = -1;
  std::unique_ptr<Output> output_;
};

// Checks that the streamed entries are those that the beginning and the end of the stream announce.
class FlushCheck {
 public:
  absl::Status Take(const v1::FlushResponse& message) {
    if (message.has_state()) state_ = message.state();
    for (const v1::Entry& entry : message.entries()) {
      ++entries_;
      bytes_ += entry.key().size() + entry.value().size();
    }
    if (message.has_summary()) summary_ = message.summary();
    return absl::OkStatus();
  }

  absl::Status Finish() const {
    if (state_ && summary_ && state_->flush_id() == summary_->flush_id() &&
        state_->entry_count() == entries_ && summary_->entry_count() == entries_ &&
        state_->entry_bytes() == bytes_ && summary_->entry_bytes() == bytes_) {
      return absl::OkStatus();
    }
    return Failure(absl::StatusCode::kDataLoss, "INCOMPLETE_FLUSH",
                   absl::StrCat("the flush is not whole: ", Counted(entries_, "entry"),
                                " came; do not finalize it, flush again"));
  }

  const v1::FlushSummary& summary() const { return *summary_; }

 private:
  std::optional<v1::FlushState> state_;
  std::optional<v1::FlushSummary> summary_;
  uint64_t entries_ = 0;
  uint64_t bytes_ = 0;
};

absl::Status Finalize(Session& session, const FinalizeOptions& options) {
  Connection& connection = session.connection();
  auto request = TableRequest<v1::FinalizeRequest>(session, options.region, options.table);
  request.set_flush_id(options.flush_id);
  if (options.region_version) request.set_region_version(*options.region_version);
  v1::FinalizeResponse answer;
  const absl::Status finalized =
      connection.Unary(&v1::EntryService::Stub::Finalize, connection.entries(), request, &answer);
  if (!finalized.ok()) return finalized;
  return session.json() ? session.PrintMessage(answer)
                        : session.out().Write(
                              absl::StrCat("finalized through ", answer.finalized_through(), "\n"));
}

absl::Status StreamFlush(Session& session, const FlushOptions& options, Output& to,
                         FlushCheck& check) {
  auto request = TableMessagesRequest<v1::FlushRequest>(session, options.region, options.table);
  if (options.region_version) request.set_region_version(*options.region_version);
  const EntryFormat format = session.json() ? EntryFormat::kJson : EntryFormat::kVersions;
  const absl::Status streamed = RunStream<v1::FlushResponse>(
      session.connection(),
      [&](grpc::ClientContext* context) {
        return session.connection().entries().Flush(context, request);
      },
      [&](const v1::FlushResponse& message) {
        absl::Status taken = check.Take(message);
        for (const v1::Entry& entry : message.entries()) {
          taken.Update(to.Write(EntryLine(format, entry)));
        }
        return taken;
      });
  return streamed.ok() ? check.Finish() : streamed;
}

absl::Status Flush(Session& session, const FlushOptions& options) {
  FlushCheck check;
  absl::Status status;
  if (options.out.empty()) {
    status = StreamFlush(session, options, session.out(), check);
    // Where it is sent to a file, that holds the entries before Walden lets go of them.
    if (status.ok()) status = session.out().Sync();
  } else {
    FlushFile file(options.out);
    status = file.Open();
    if (status.ok()) status = StreamFlush(session, options, file.output(), check);
    if (status.ok()) status = file.Complete();
  }
  if (!status.ok()) return status;
  const v1::FlushSummary& summary = check.summary();
  if (session.json()) {
    if (absl::Status printed = session.PrintMessage(summary); !printed.ok()) return printed;
  }
  if (summary.flush_id() == 0) {
    session.Note("nothing to flush");
    return absl::OkStatus();
  }
  session.Note(absl::StrCat("flush ", summary.flush_id(), ": ",
                            Counted(summary.entry_count(), "entry"), ", ",
                            FormatBytes(summary.entry_bytes())));
  if (!options.finalize) return absl::OkStatus();
  return Finalize(session, {.region = options.region,
                            .table = options.table,
                            .flush_id = summary.flush_id(),
                            .region_version = options.region_version});
}

}  // namespace

void AddFlushCommand(CommandSet& commands) {
  auto options = std::make_shared<FlushOptions>();
  Command command = commands.Add(
      "flush",
      "Print every entry of an entry log that is not finalized, in key order.\n"
      "Each line is sequence, tab, key, tab and value; a tombstone ends after its key. With\n"
      "--json each line is an object, and the last one has the flush id and the counts. The\n"
      "flush id, which `walden finalize` takes, is also on standard error.",
      {"walden flush --region 1 --table 3",
       "walden flush -r 1 -t 3 --json --out flushed.json --finalize"});
  command.AddRegion(options->region).Required();
  command.AddTable(options->table).Required();
  command
      .Add("-o,--out", options->out,
           "Write the entries to this file, which gets its name when it is durable")
      .Value("FILE");
  command.AddFlag("--finalize", options->finalize,
                  "Then finalize the flush: Walden forgets its entries");
  AddRegionVersion(command, options->region_version);
  command.Runs([options](Session& session) { return Flush(session, *options); });
}

void AddFinalizeCommand(CommandSet& commands) {
  auto options = std::make_shared<FinalizeOptions>();
  Command command =
      commands.Add("finalize",
                   "Confirm that a flush is stored elsewhere: Walden forgets its entries.\n"
                   "To finalize a flush again does nothing.",
                   {"walden finalize --region 1 --table 3 1742"});
  command.AddRegion(options->region).Required();
  command.AddTable(options->table).Required();
  command.Add("flush_id", options->flush_id, "Flush id that `walden flush` printed")
      .Check(Number(1))
      .Required();
  AddRegionVersion(command, options->region_version);
  command.Runs([options](Session& session) { return Finalize(session, *options); });
}

}  // namespace walden::cli

// How data.tar.gz was made: this program, built against commit b65e1bc (format version 1), wrote
// four regions below `default`, and expected.txt, which says what they hold. It is not part of the
// build. Afterwards a sector in the middle of region 3's last record (its answer was never told)
// was zeroed, as a power cut would leave it, and LOCK and spare/ were removed.
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include "engine/io/posix_file_system.h"
#include "engine/segment/segment_engine.h"
using namespace walden;
static std::unique_ptr<LogEngine> engine;
static void Check(const absl::Status& s) {
  if (!s.ok()) {
    std::cerr << s << "\n";
    std::abort();
  }
}
static AppendResult Append(RegionLog& log, AppendBatch batch) {
  AppendBatch* g[] = {&batch};
  bool done = false;
  log.Commit(g, [&] { done = true; });
  if (!done) std::abort();
  Check(batch.result.status);
  return batch.result;
}
static std::string P(int region, TableId t, int i) {
  return absl::StrCat("region ", region, " table ", t, " payload ", i,
                      std::string(static_cast<size_t>(i * 37 % 300), 'a' + i % 26));
}
static void Show(int region, RegionLog& log, std::ostream& out,
                 const std::map<TableId, bool>& tables) {
  for (auto [t, e] : tables) {
    auto pos = log.Position(t);
    out << "table " << region << " " << t << " " << pos.first << " " << pos.next << " "
        << pos.deleted_through << " " << (e ? "entries" : "log") << "\n";
    auto reader = log.NewReader({.table = t});
    Check(reader.status());
    while (true) {
      auto p = (*reader)->Next({}, [&](const RecordView& r) {
        out << "record " << region << " " << r.table << " " << r.sequence << " " << r.payload
            << "\n";
      });
      Check(p.status());
      if (*p != ReadProgress::kMore) break;
    }
  }
  out << "version " << region << " " << log.Describe().region_version << "\n";
}
int main(int argc, char** argv) {
  const std::string dir = argv[1];
  auto opened = SegmentEngine::Open({.file_system = PosixFileSystem(),
                                     .clock = Clock::Real(),
                                     .data_directory = dir,
                                     .namespace_name = "default",
                                     .spare_segments = 0});
  Check(opened.status());
  engine = *std::move(opened);
  std::ofstream out(dir + "/expected.txt");
  RegionOptions o;
  o.segment_size_bytes = 8192;
  // 1: closed cleanly, marks, version, producers, entries, restored tables.
  {
    auto log = *engine->OpenRegion(1, o, true);
    for (int i = 0; i < 40; ++i) {
      AppendBatch b;
      b.table = 1 + i % 3;
      std::string a = P(1, b.table, i), c = P(1, b.table, i + 100);
      b.payloads = {a, c};
      if (i % 4 == 0) b.producer = ProducerTag{77, static_cast<uint64_t>(i + 1)};
      if (i == 20) b.region_version = 5;
      Append(*log, b);
    }
    AppendBatch e;
    e.table = 9;
    e.kind = TableKind::kEntries;
    std::string pe = P(1, 9, 1);
    e.payloads = {pe};
    Append(*log, e);
    Check(log->RestoreMark(20, 7, TableKind::kLog));
    for (int i = 8; i < 12; ++i) {
      AppendBatch r;
      r.table = 20;
      std::string pr = P(1, 20, i);
      r.payloads = {pr};
      r.first_sequence = i;
      Append(*log, r);
    }
    Check(log->MarkDeleted(1, 30, std::nullopt).status());
    Check(log->MarkDeleted(2, 12, std::nullopt).status());
    Show(1, *log, out, {{1, false}, {2, false}, {3, false}, {9, true}, {20, false}});
    Check(log->Close());
  }
  // 2: killed with BUFFERED records. 3: killed, then torn by hand. 4: closed, everything marked.
  auto two = *engine->OpenRegion(2, o, true);
  for (int i = 0; i < 12; ++i) {
    AppendBatch b;
    b.table = 4;
    std::string a = P(2, 4, i);
    b.payloads = {a};
    b.durability = i % 3 == 0 ? Durability::kSync : Durability::kBuffered;
    Append(*two, b);
  }
  Show(2, *two, out, {{4, false}});
  auto three = *engine->OpenRegion(3, o, true);
  for (int i = 0; i < 5; ++i) {
    AppendBatch b;
    b.table = 5;
    std::string a = P(3, 5, i);
    b.payloads = {a};
    Append(*three, b);
  }
  Show(3, *three, out, {{5, false}});
  {
    AppendBatch b;
    b.table = 5;
    std::string a(3000, 't');
    b.payloads = {a};
    Append(*three, b);
  }
  {
    auto log = *engine->OpenRegion(4, o, true);
    for (int i = 0; i < 6; ++i) {
      AppendBatch b;
      b.table = 6;
      std::string a = P(4, 6, i);
      b.payloads = {a};
      Append(*log, b);
    }
    Check(log->MarkDeleted(6, 6, 9).status());
    Show(4, *log, out, {{6, false}});
    Check(log->Close());
  }
  out.flush();
  _exit(0);
}

// A segment of version 2 that tests write by hand, group by group, and scan.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/segment/format.h"
#include "engine/segment/group_head.h"
#include "engine/segment/record_writer.h"
#include "engine/segment/segment_header.h"
#include "engine/segment/segment_scan.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"

namespace walden::segment {

inline constexpr uint64_t kSize = 64 << 10;
inline constexpr uint64_t kAlignment = 512;

struct TestRecord {
  TableId table = 1;
  std::string payload;
  uint8_t flags = 0;
};

// Payloads hold no zero byte, so that only unwritten sectors look so.
class SegmentScanTest : public ::testing::Test {
 protected:
  void SetUp() override { Create("/seg_0", header_); }

  void Create(const std::string& path, const SegmentHeader& header) {
    auto file = disk_.CreateFile(path);
    ASSERT_TRUE(file.ok());
    file_ = *std::move(file);
    path_ = path;
    ASSERT_TRUE(file_->Allocate(header.bytes).ok());
    Put(0, EncodeSegmentHeader(header));
    end_ = header.first_end();
  }

  void Put(uint64_t offset, const std::string& bytes) {
    ASSERT_TRUE(file_->Write(offset, {bytes}).ok());
  }
  void Zero(uint64_t offset, uint64_t bytes) { Put(offset, std::string(bytes, '\0')); }

  // The bytes of a group at `offset`, without its padding.
  std::string Group(uint64_t offset, SequenceNumber first, const std::vector<TestRecord>& records,
                    const SegmentHeader& segment) {
    uint64_t bytes = kGroupHeadBytes;
    for (const TestRecord& record : records) bytes += kMinRecordBytes + record.payload.size();
    RecordWriter writer;
    writer.Reserve(bytes);
    writer.BeginGroup();
    SequenceNumber next = first;
    for (const TestRecord& record : records) {
      writer.AddRecord({record.flags, record.table, next++}, record.payload);
    }
    writer.FinishGroup(segment, offset,
                       {.sequence = first,
                        .previous_end = static_cast<uint32_t>(end_),
                        .durable = {segment.segment, static_cast<uint32_t>(durable_)},
                        .metadata_append = metadata_append_,
                        .unix_micros = 1000});
    std::string group;
    for (const absl::string_view piece : writer.pieces()) absl::StrAppend(&group, piece);
    return group.substr(0, writer.size());
  }

  // Appends a group of one batch and returns where it begins.
  uint64_t Append(size_t records, size_t bytes = 20) {
    std::vector<TestRecord> group;
    for (size_t i = 0; i < records; ++i) {
      group.push_back({1, std::string(bytes, static_cast<char>('a' + (next_ + i) % 26)),
                       i + 1 < records ? kMoreOfBatch : uint8_t{0}});
    }
    const uint64_t begin = header_.GroupBegin(end_);
    const std::string written = Group(begin, next_, group, header_);
    Put(begin, written);
    next_ += records;
    end_ = begin + written.size();
    return begin;
  }
  void Sync() { durable_ = end_; }

  SegmentScanOptions Options() {
    return {.header = header_,
            .durable_end = watermark_,
            .durable_next = watermark_next_,
            .reach = kSize,
            .known_damage = known_damage_,
            .progress = [](uint64_t) { return true; }};
  }
  SegmentScan Scan(std::optional<KnownEnd> known = std::nullopt) {
    SegmentScanOptions options = Options();
    options.known_end = known;
    auto scan = ScanSegment(*file_, options);
    EXPECT_TRUE(scan.ok()) << scan.status();
    return *std::move(scan);
  }

  void ExpectTorn(const SegmentScan& scan, uint64_t begin) {
    EXPECT_TRUE(scan.damage.empty()) << scan.damage.front().reason;
    ASSERT_TRUE(scan.torn);
    EXPECT_EQ(scan.torn->begin, begin);
  }
  void ExpectDamage(const SegmentScan& scan, uint64_t begin, uint64_t end, SequenceNumber first,
                    SequenceNumber last) {
    EXPECT_FALSE(scan.torn);
    ASSERT_EQ(scan.damage.size(), 1u);
    EXPECT_EQ(header_.GroupBegin(scan.damage[0].begin), begin);
    EXPECT_EQ(scan.damage[0].end, end);
    EXPECT_EQ(scan.damage[0].first, first);
    EXPECT_EQ(scan.damage[0].last, last);
  }

  const SegmentHeader header_{.alignment = kAlignment,
                              .salt = 0x1122334455667788,
                              .namespace_id = 1,
                              .region = 7,
                              .segment = 0,
                              .bytes = kSize};
  testing::FaultFileSystem disk_;
  std::unique_ptr<File> file_;
  std::string path_;
  uint64_t end_ = 0;
  uint64_t durable_ = kSegmentHeaderBytes;  // as groups that follow say
  uint64_t metadata_append_ = 3;
  SequenceNumber next_ = 1;
  uint64_t watermark_ = kSegmentHeaderBytes;  // as the metadata says
  SequenceNumber watermark_next_ = 1;
  std::vector<Damage> known_damage_;
};

}  // namespace walden::segment

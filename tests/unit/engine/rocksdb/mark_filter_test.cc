// What a compaction may take out, key by key.
#include "engine/rocksdb/mark_filter.h"

#include <memory>
#include <string>

#include "engine/rocksdb/deleted_marks.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "gtest/gtest.h"

namespace walden::rocks {
namespace {

using Decision = rocksdb::CompactionFilter::Decision;
using ValueType = rocksdb::CompactionFilter::ValueType;

class MarkFilterTest : public ::testing::Test {
 protected:
  // Whether a compaction that begins now takes the key out, with everything up to `skip_until_`.
  bool TakesOut(const std::string& key, ValueType type = ValueType::kValue) {
    const auto filter = MakeMarkFilter(1, marks_)->CreateCompactionFilter({});
    return TakesOut(*filter, key, type);
  }
  bool TakesOut(const rocksdb::CompactionFilter& filter, const std::string& key,
                ValueType type = ValueType::kValue) {
    std::string value;
    skip_until_.clear();
    return filter.FilterV2(0, key, type, rocksdb::Slice(), &value, &skip_until_) ==
           Decision::kRemoveAndSkipUntil;
  }

  const std::shared_ptr<DeletedMarks> marks_ = std::make_shared<DeletedMarks>();
  std::string skip_until_;
};

TEST_F(MarkFilterTest, ItTakesOutWhatAMarkOfTheSameRegionAndTableCoversAndNothingElse) {
  marks_->Raise({2, 7, 41});
  EXPECT_TRUE(TakesOut(EncodeLogKey({1, 2, 7, 1})));
  EXPECT_TRUE(TakesOut(EncodeLogKey({1, 2, 7, 41})));
  EXPECT_GT(skip_until_, EncodeLogKey({1, 2, 7, 41}));
  EXPECT_LE(skip_until_, EncodeLogKey({1, 2, 7, 42}));
  EXPECT_FALSE(TakesOut(EncodeLogKey({1, 2, 7, 42})));
  EXPECT_FALSE(TakesOut(EncodeLogKey({1, 2, 6, 1})));
  EXPECT_FALSE(TakesOut(EncodeLogKey({1, 2, 8, 1})));
  EXPECT_FALSE(TakesOut(EncodeLogKey({1, 1, 7, 1}))) << "another region's";
  EXPECT_FALSE(TakesOut(EncodeLogKey({2, 2, 7, 1}))) << "another namespace's";
}

TEST_F(MarkFilterTest, ItKeepsWhatIsNoRecord) {
  marks_->Raise({0, 0, kMaxSequenceNumber});
  EXPECT_FALSE(TakesOut(MaxSeqEntry(0, 5).key));
  EXPECT_FALSE(TakesOut(RegionEntry(0, 5).key));
  EXPECT_FALSE(TakesOut(TableEntry({0, 0, TableKind::kLog, 5}).key));
  EXPECT_FALSE(TakesOut(EncodeLogKey({1, 0, 0, 1}) + "x"));
  EXPECT_FALSE(TakesOut(""));
  EXPECT_FALSE(TakesOut(EncodeLogKey({1, 0, 0, 1}), ValueType::kMergeOperand));
  EXPECT_TRUE(TakesOut(EncodeLogKey({1, 0, 0, 1})));
}

TEST_F(MarkFilterTest, WithoutMarksItKeepsEverything) {
  EXPECT_FALSE(TakesOut(EncodeLogKey({1, 2, 7, 1})));
}

TEST_F(MarkFilterTest, MarksRiseAndAreForgottenByRegion) {
  marks_->Raise({2, 7, 41});
  marks_->Raise({2, 7, 40});
  marks_->Raise({3, 7, 5});
  EXPECT_EQ(marks_->Of(2, 7), 41u);
  marks_->Forget(2);
  EXPECT_FALSE(TakesOut(EncodeLogKey({1, 2, 7, 1})));
  EXPECT_TRUE(TakesOut(EncodeLogKey({1, 3, 7, 5})));
}

// Tables come one after the other, and a mark is looked up once for each.
TEST_F(MarkFilterTest, OneCompactionGoesThroughManyTables) {
  for (TableId table = 0; table < 300; table += 2) marks_->Raise({1, table, table + 1});
  const auto filter = MakeMarkFilter(1, marks_)->CreateCompactionFilter({});
  for (TableId table = 0; table < 300; ++table) {
    const SequenceNumber mark = table % 2 == 0 ? table + 1 : 0;
    for (const SequenceNumber sequence : {table, table + 1, table + 2}) {
      EXPECT_EQ(TakesOut(*filter, EncodeLogKey({1, 1, table, sequence})), sequence <= mark)
          << table << " " << sequence;
    }
  }
}

}  // namespace
}  // namespace walden::rocks

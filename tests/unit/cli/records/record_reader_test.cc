#include "cli/records/record_reader.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "cli/console/failure.h"
#include "cli/records/record_writer.h"
#include "gtest/gtest.h"

namespace walden::cli {
namespace {

// A pipe with a reader at its end.
class RecordReaderTest : public testing::Test {
 protected:
  RecordReaderTest() { EXPECT_EQ(pipe(fds_), 0); }
  ~RecordReaderTest() override {
    CloseInput();
    close(fds_[0]);
  }

  void Feed(const std::string& bytes) {
    ASSERT_EQ(write(fds_[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void CloseInput() {
    if (fds_[1] >= 0) close(fds_[1]);
    fds_[1] = -1;
  }
  RecordReader Reader(Framing framing, uint64_t max_record_bytes = 1000) {
    RecordReader::Options options;
    options.framing = framing;
    options.name = "the pipe";
    options.max_record_bytes = max_record_bytes;
    options.interrupt_fd = interrupt_fd_;
    return RecordReader(fds_[0], options);
  }
  // Everything until the end or an error.
  static std::vector<std::string> ReadAll(RecordReader& reader, absl::Status* failure = nullptr) {
    std::vector<std::string> records;
    for (;;) {
      const auto record = reader.Next();
      if (!record.ok()) {
        if (failure != nullptr) *failure = record.status();
        return records;
      }
      if (!record->has_value()) return records;
      records.emplace_back(**record);
    }
  }

  int fds_[2] = {-1, -1};
  int interrupt_fd_ = -1;
};

using Strings = std::vector<std::string>;

TEST_F(RecordReaderTest, EachLineIsARecordAndEmptyOnesCount) {
  Feed("one\n\ntwo\r\n \n");
  CloseInput();
  RecordReader reader = Reader(Framing::kLines);
  EXPECT_EQ(ReadAll(reader), (Strings{"one", "", "two\r", " "}));
  EXPECT_EQ(reader.offset(), 12u);
}

TEST_F(RecordReaderTest, ALastLineWithoutNewlineIsARecord) {
  Feed("one\ntwo");
  CloseInput();
  RecordReader reader = Reader(Framing::kLines);
  EXPECT_EQ(ReadAll(reader), (Strings{"one", "two"}));
}

TEST_F(RecordReaderTest, NoInputIsNoRecord) {
  CloseInput();
  RecordReader lines = Reader(Framing::kLines);
  EXPECT_EQ(ReadAll(lines), Strings{});
  RecordReader delimited = Reader(Framing::kLengthDelimited);
  EXPECT_EQ(ReadAll(delimited), Strings{});
}

TEST_F(RecordReaderTest, ALineLongerThanTheLimitIsRefusedWithItsOffset) {
  Feed("ok\n" + std::string(11, 'x') + "\n");
  CloseInput();
  RecordReader reader = Reader(Framing::kLines, 10);
  absl::Status failure;
  EXPECT_EQ(ReadAll(reader, &failure), Strings{"ok"});
  EXPECT_EQ(failure.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorInfoOf(failure)->metadata().at("offset"), "3");
  EXPECT_EQ(ErrorInfoOf(failure)->metadata().at("limit"), "10");
}

TEST_F(RecordReaderTest, ALineThatNeverEndsIsRefusedBeforeItIsHeldWhole) {
  Feed(std::string(500, 'x'));
  RecordReader reader = Reader(Framing::kLines, 10);
  absl::Status failure;
  EXPECT_EQ(ReadAll(reader, &failure), Strings{});
  EXPECT_TRUE(HasReason(failure, kReasonBadInput)) << failure;
}

TEST_F(RecordReaderTest, LengthDelimitedTakesAnyBytesAndWhatTheWriterWrote) {
  const Strings records = {std::string("a\nb\0c", 5), "", std::string(300, '\xFF')};
  std::string bytes;
  RecordFormatting formatting;
  formatting.format = RecordFormat::kLengthDelimited;
  for (const auto& record : records) FormatRecord(formatting, 1, 1, record, bytes);
  EXPECT_EQ(bytes.substr(0, 4), std::string("\0\0\0\5", 4));
  Feed(bytes);
  CloseInput();
  RecordReader reader = Reader(Framing::kLengthDelimited);
  EXPECT_EQ(ReadAll(reader), records);
}

TEST_F(RecordReaderTest, LengthDelimitedInputThatEndsInsideARecordIsRefused) {
  for (const std::string& cut : {std::string("\0\0\0\4abc", 7), std::string("\0\0", 2)}) {
    ASSERT_EQ(pipe(fds_), 0);
    Feed(std::string("\0\0\0\1z", 5) + cut);
    CloseInput();
    RecordReader reader = Reader(Framing::kLengthDelimited);
    absl::Status failure;
    EXPECT_EQ(ReadAll(reader, &failure), Strings{"z"});
    EXPECT_EQ(failure.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorInfoOf(failure)->metadata().at("offset"), "5");
    close(fds_[0]);
  }
}

TEST_F(RecordReaderTest, AHugeLengthIsRefusedBeforeAnythingIsAllocatedForIt) {
  Feed(std::string("\xFF\xFF\xFF\xFF", 4));
  RecordReader reader = Reader(Framing::kLengthDelimited);
  absl::Status failure;
  EXPECT_EQ(ReadAll(reader, &failure), Strings{});
  EXPECT_EQ(ErrorInfoOf(failure)->metadata().at("bytes"), "4294967295");
}

TEST_F(RecordReaderTest, ItIsReadyOnlyWhenItNeedNotWait) {
  RecordReader reader = Reader(Framing::kLines);
  EXPECT_FALSE(reader.Ready());
  Feed("hal");
  EXPECT_FALSE(reader.Ready());
  Feed("f\nrest");
  EXPECT_TRUE(reader.Ready());
  EXPECT_EQ(**reader.Next(), "half");
  EXPECT_FALSE(reader.Ready());
  CloseInput();
  EXPECT_TRUE(reader.Ready());
  EXPECT_EQ(**reader.Next(), "rest");
  EXPECT_TRUE(reader.Ready());
  EXPECT_FALSE(reader.Next()->has_value());
}

TEST_F(RecordReaderTest, AnInterruptionEndsTheWait) {
  interrupt_fd_ = eventfd(1, 0);
  RecordReader reader = Reader(Framing::kLines);
  EXPECT_TRUE(HasReason(reader.Next().status(), kReasonInterrupted));
  close(interrupt_fd_);
}

TEST_F(RecordReaderTest, RecordsThatSpanManyReadsComeWhole) {
  const std::string longest(600'000, 'y');
  std::thread feeder([&] {
    Feed(longest + "\n" + "short\n" + longest + "\n");
    CloseInput();
  });
  RecordReader reader = Reader(Framing::kLines, 1u << 20);
  EXPECT_EQ(ReadAll(reader), (Strings{longest, "short", longest}));
  feeder.join();
}

}  // namespace
}  // namespace walden::cli

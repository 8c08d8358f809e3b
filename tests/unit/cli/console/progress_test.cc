#include "cli/console/progress.h"

#include <fcntl.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

TEST(ProgressLine, AKnownTotalHasABarAndTheTimeLeft) {
  ProgressNumbers numbers;
  numbers.records = 1000;
  numbers.bytes = 1 << 20;
  numbers.total_bytes = 4 << 20;
  EXPECT_EQ(ProgressLine("appending", numbers, absl::Seconds(2), 200),
            "appending  [######..................]  25%  1,000 records  1.0 MiB  500 records/s  "
            "512.0 KiB/s  6s left");
}

TEST(ProgressLine, AnUnknownTotalHasOnlyTheRate) {
  ProgressNumbers numbers;
  numbers.bytes = 2048;
  EXPECT_EQ(ProgressLine("verifying", numbers, absl::Seconds(1), 200),
            "verifying  2.0 KiB  2.0 KiB/s");
}

TEST(ProgressLine, MoreThanTheTotalIsNotMoreThanAll) {
  ProgressNumbers numbers;
  numbers.bytes = 300;
  numbers.total_bytes = 200;
  EXPECT_EQ(ProgressLine("x", numbers, absl::Seconds(1), 200),
            "x  [########################]  100%  300 B  300 B/s");
}

TEST(ProgressLine, FitsTheTerminal) {
  ProgressNumbers numbers;
  numbers.records = 1'234'567;
  numbers.bytes = uint64_t{700} << 20;
  numbers.total_bytes = uint64_t{1400} << 20;
  const auto line = [&numbers](size_t columns) {
    return ProgressLine("appending", numbers, absl::Seconds(100), columns);
  };
  EXPECT_EQ(line(100),
            "appending  [############............]  50%  1,234,567 records  700.0 MiB  7.0 MiB/s  "
            "100s left");
  EXPECT_EQ(line(80),
            "appending  [############............]  50%  700.0 MiB  7.0 MiB/s  100s left");
  EXPECT_EQ(line(40), "appending  50%  700.0 MiB  7.0 MiB/s");
  EXPECT_EQ(line(5), "50%");
  for (size_t columns = 1; columns < 120; ++columns) EXPECT_LE(line(columns).size(), columns);
}

TEST(Progress, DrawsNothingWhereThereIsNoTerminal) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_NONBLOCK), 0);
  {
    Output output(fds[1], "a pipe");
    Progress progress(output, "appending");
    for (int i = 0; i < 1000; ++i) progress.Update({1, 1, 1});
  }
  char byte;
  EXPECT_EQ(read(fds[0], &byte, 1), -1);
  close(fds[0]);
  close(fds[1]);
}

}  // namespace
}  // namespace walden::cli

#include "cli/console/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"

namespace walden::cli {
namespace {

std::string ReadAll(int fd) {
  std::string bytes(100, '\0');
  const ssize_t got = pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

TEST(OutputTest, SyncWritesWhatIsBufferedToAFile) {
  const int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  Output output(fd, "a file");
  ASSERT_TRUE(output.Write("entries").ok());
  EXPECT_EQ(ReadAll(fd), "");
  EXPECT_TRUE(output.Sync().ok());
  EXPECT_EQ(ReadAll(fd), "entries");
  close(fd);
}

TEST(OutputTest, SyncOfAPipeOnlyWrites) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Output output(ends[1], "a pipe");
  ASSERT_TRUE(output.Write("entries").ok());
  EXPECT_TRUE(output.Sync().ok());
  char bytes[7];
  EXPECT_EQ(read(ends[0], bytes, sizeof(bytes)), 7);
  close(ends[0]);
  close(ends[1]);
}

TEST(OutputTest, SyncTellsOfAFullDevice) {
  const int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  Output output(fd, "a full device");
  ASSERT_TRUE(output.Write("entries").ok());
  const absl::Status status = output.Sync();
  EXPECT_NE(status.message().find("a full device"), std::string::npos) << status;
  close(fd);
}

}  // namespace
}  // namespace walden::cli

// What only the real file system does: another process, signals, the kernel's own errors.
#include "engine/io/posix_file_system.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "gtest/gtest.h"

namespace walden {
namespace {

class PosixFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "walden-posix-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string Path(const std::string& name) const { return root_ + "/" + name; }

  std::string root_;
};

// Runs `body` in a child process; returns its exit code, or minus the signal that ended it.
template <typename Body>
int InChild(const Body& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1000;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(PosixFileSystemTest, AnErrorNamesOperationPathAndErrno) {
  const auto file = PosixFileSystem()->OpenFile(Path("none"), FileSystem::OpenMode::kReadOnly);
  const auto info = GetErrorInfo(file.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->metadata.at("errno"), std::to_string(ENOENT));
  EXPECT_EQ(info->metadata.at("file"), Path("none"));
  EXPECT_EQ(info->metadata.at("operation"), "open");
  EXPECT_NE(file.status().message().find("No such file or directory"), absl::string_view::npos);
}

TEST_F(PosixFileSystemTest, TooManyOpenFilesIsAShortageNotABadDisk) {
  EXPECT_EQ(InChild([this] {
              const struct rlimit none = {0, 0};
              if (setrlimit(RLIMIT_NOFILE, &none) != 0) return 2;
              const auto file = PosixFileSystem()->CreateFile(Path("f"));
              return HasReason(file.status(), ErrorReason::kTooManyFiles) ? 0 : 1;
            }),
            0);
}

TEST_F(PosixFileSystemTest, AWritePastTheFileSizeLimitIsAnErrorNotASignal) {
  EXPECT_EQ(InChild([this] {
              signal(SIGXFSZ, SIG_IGN);
              const struct rlimit small = {100, 100};
              auto file = PosixFileSystem()->CreateFile(Path("f"));
              if (!file.ok() || setrlimit(RLIMIT_FSIZE, &small) != 0) return 2;
              const absl::Status status = (*file)->Write(50, {std::string(100, 'x')});
              return HasReason(status, ErrorReason::kIoError) ? 0 : 1;
            }),
            0);
}

TEST_F(PosixFileSystemTest, ALockHeldByAnotherProcessSaysWhichOne) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t holder = fork();
  if (holder == 0) {
    const auto lock = PosixFileSystem()->LockDirectory(root_);
    const char answer = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &answer, 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char answer = '?';
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  const auto lock = PosixFileSystem()->LockDirectory(root_);
  EXPECT_TRUE(HasReason(lock.status(), ErrorReason::kLocked)) << lock.status();
  EXPECT_NE(lock.status().message().find(std::to_string(holder)), absl::string_view::npos)
      << lock.status();
  ASSERT_EQ(kill(holder, SIGKILL), 0);
  ASSERT_EQ(waitpid(holder, nullptr, 0), holder);
  EXPECT_TRUE(PosixFileSystem()->LockDirectory(root_).ok()) << "the kernel let go of it";
  close(ready[0]);
  close(ready[1]);
}

TEST_F(PosixFileSystemTest, CopyingFromAFileThatWasCutShortIsAnErrorNotASignal) {
  auto file = PosixFileSystem()->CreateFile(Path("f"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Write(0, {std::string(64 << 10, 'a')}).ok());
  const auto mapping = (*file)->Map();
  ASSERT_TRUE(mapping.ok());
  ASSERT_EQ(truncate(Path("f").c_str(), 4096), 0);
  std::string bytes(8192, '?');
  const absl::Status status = (*mapping)->Copy(0, absl::MakeSpan(bytes.data(), bytes.size()));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(HasReason(status, ErrorReason::kIoError)) << status;
  EXPECT_NE(status.message().find(Path("f")), absl::string_view::npos) << status;
  EXPECT_TRUE((*mapping)->Copy(0, absl::MakeSpan(bytes.data(), 4096)).ok()) << "what is left works";
}

TEST_F(PosixFileSystemTest, ManyThreadsMeetingMissingPagesAllGetErrors) {
  auto file = PosixFileSystem()->CreateFile(Path("f"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Allocate(1 << 20).ok());
  const auto mapping = (*file)->Map();
  ASSERT_TRUE(mapping.ok());
  ASSERT_EQ(truncate(Path("f").c_str(), 512 << 10), 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::string bytes(4096, '?');
      for (uint64_t offset = 0; offset < (1 << 20); offset += 4096) {
        const absl::Status status =
            (*mapping)->Copy(offset, absl::MakeSpan(bytes.data(), bytes.size()));
        EXPECT_EQ(status.ok(), offset < (512 << 10)) << offset << ": " << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(PosixFileSystemTest, AllocatedBlocksAreReal) {
  auto file = PosixFileSystem()->CreateFile(Path("f"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Allocate(1 << 20).ok());
  struct stat info = {};
  ASSERT_EQ(stat(Path("f").c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, 1 << 20) << "a sparse file";
}

}  // namespace
}  // namespace walden

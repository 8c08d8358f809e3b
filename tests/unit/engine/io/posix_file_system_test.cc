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

#include "base/error.h"
#include "engine/io/remove_tree.h"
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

TEST_F(PosixFileSystemTest, ALockHoldsThoughItsFileWasRemoved) {
  auto lock = PosixFileSystem()->LockDirectory(root_);
  ASSERT_TRUE(lock.ok());
  ASSERT_TRUE(PosixFileSystem()->RemoveFile(Path("LOCK")).ok());
  const absl::Status second = PosixFileSystem()->LockDirectory(root_).status();
  EXPECT_TRUE(HasReason(second, ErrorReason::kLocked)) << second;
  lock->reset();
  EXPECT_TRUE(PosixFileSystem()->LockDirectory(root_).ok());
}

TEST_F(PosixFileSystemTest, ALockTellsWhetherItsDirectoryIsStillThere) {
  ASSERT_TRUE(PosixFileSystem()->CreateDirectory(Path("d")).ok());
  const auto lock = PosixFileSystem()->LockDirectory(Path("d"));
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE((*lock)->CheckInPlace().ok());
  ASSERT_TRUE(PosixFileSystem()->Rename(Path("d"), Path("moved")).ok());
  EXPECT_TRUE(absl::IsDataLoss((*lock)->CheckInPlace()));
  ASSERT_TRUE(PosixFileSystem()->CreateDirectory(Path("d")).ok());
  ASSERT_TRUE(PosixFileSystem()->LockDirectory(Path("d")).ok());
  EXPECT_TRUE(absl::IsDataLoss((*lock)->CheckInPlace())) << "another directory is there";
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

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return info.st_mode & 07777;
}

TEST_F(PosixFileSystemTest, OnlyTheOwnerMayReadWhatIsMade) {
  const mode_t mask = umask(0);
  EXPECT_TRUE(PosixFileSystem()->CreateFile(Path("f")).ok());
  EXPECT_TRUE(PosixFileSystem()->CreateDirectory(Path("d")).ok());
  EXPECT_TRUE(PosixFileSystem()->LockDirectory(Path("d")).ok());
  FileSystem* const for_group = PosixFileSystem(Access::kGroup);
  EXPECT_TRUE(for_group->CreateFile(Path("g")).ok());
  EXPECT_TRUE(for_group->CreateDirectory(Path("e")).ok());
  umask(mask);
  EXPECT_EQ(ModeOf(Path("f")), 0600u);
  EXPECT_EQ(ModeOf(Path("d")), 0700u);
  EXPECT_EQ(ModeOf(Path("d/LOCK")), 0600u);
  EXPECT_EQ(ModeOf(Path("g")), 0640u);
  EXPECT_EQ(ModeOf(Path("e")) & 0777, 0750u);
}

TEST_F(PosixFileSystemTest, ADirectoryThatEverybodyMayReadIsTightened) {
  ASSERT_EQ(chmod(root_.c_str(), 0755), 0);
  EXPECT_TRUE(*TightenDirectory(root_, Access::kGroup));
  EXPECT_EQ(ModeOf(root_), 0750u);
  EXPECT_TRUE(*TightenDirectory(root_, Access::kOwner));
  EXPECT_EQ(ModeOf(root_), 0700u);
  EXPECT_FALSE(*TightenDirectory(root_, Access::kOwner));
  EXPECT_FALSE(TightenDirectory(Path("none"), Access::kOwner).ok());
}

TEST_F(PosixFileSystemTest, WhatIsNoRegularFileIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(mkdir(Path("directory").c_str(), 0700), 0);
  ASSERT_EQ(symlink("/dev/zero", Path("device").c_str()), 0);
  for (const std::string name : {"fifo", "directory", "device"}) {
    for (const auto mode : {FileSystem::OpenMode::kReadOnly, FileSystem::OpenMode::kReadWrite,
                            FileSystem::OpenMode::kReadFromMedium}) {
      const auto file = PosixFileSystem()->OpenFile(Path(name), mode);
      EXPECT_TRUE(absl::IsDataLoss(file.status())) << name << ": " << file.status();
      EXPECT_NE(file.status().message().find(name), absl::string_view::npos) << file.status();
    }
  }
  ASSERT_TRUE(PosixFileSystem()->CreateFile(Path("file")).ok());
  ASSERT_EQ(symlink(Path("file").c_str(), Path("link").c_str()), 0);
  EXPECT_TRUE(PosixFileSystem()->OpenFile(Path("link"), FileSystem::OpenMode::kReadWrite).ok());
}

TEST_F(PosixFileSystemTest, AFileKnowsWhetherItStillHasItsNameAndItsBytes) {
  auto file = PosixFileSystem()->CreateFile(Path("f"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Allocate(8192).ok());
  EXPECT_TRUE((*file)->CheckInPlace(Path("f"), 8192).ok());
  ASSERT_EQ(truncate(Path("f").c_str(), 4096), 0);
  EXPECT_TRUE(absl::IsDataLoss((*file)->CheckInPlace(Path("f"), 8192)));
  EXPECT_TRUE((*file)->CheckInPlace(Path("f"), 4096).ok());
  ASSERT_EQ(rename(Path("f").c_str(), Path("moved").c_str()), 0);
  EXPECT_TRUE(absl::IsDataLoss((*file)->CheckInPlace(Path("f"), 4096)));
  ASSERT_TRUE(PosixFileSystem()->CreateFile(Path("f")).ok());
  EXPECT_TRUE(absl::IsDataLoss((*file)->CheckInPlace(Path("f"), 0)));
}

TEST_F(PosixFileSystemTest, ReadingFromTheMediumReturnsWhatWasWritten) {
  auto file = PosixFileSystem()->CreateFile(Path("f"));
  ASSERT_TRUE(file.ok());
  std::string bytes;
  for (int i = 0; i < 700'001; ++i) bytes.push_back(static_cast<char>(i * 7 + i / 251));
  ASSERT_TRUE((*file)->Write(0, {bytes}).ok());
  const auto medium = PosixFileSystem()->OpenFile(Path("f"), FileSystem::OpenMode::kReadFromMedium);
  ASSERT_TRUE(medium.ok()) << medium.status();
  for (const uint64_t offset : {0, 1, 4095, 4096, 262'143, 500'000, 700'000, 700'001, 800'000}) {
    for (const size_t length : {1, 4096, 5000, 300'000, 800'000}) {
      std::string read(length, '?');
      const auto got = (*medium)->Read(offset, absl::MakeSpan(read.data(), length));
      ASSERT_TRUE(got.ok()) << got.status();
      const std::string expected = offset >= bytes.size() ? "" : bytes.substr(offset, length);
      ASSERT_EQ(*got, expected.size()) << length << " at " << offset;
      ASSERT_EQ(read.substr(0, *got), expected) << length << " at " << offset;
    }
  }
}

TEST_F(PosixFileSystemTest, RemovingATreeLeavesAloneWhatLinksInItNameAndEmptiesWhatItIsALinkTo) {
  namespace fs = std::filesystem;
  fs::create_directories(Path("elsewhere/inner"));
  fs::create_directories(Path("kept"));
  ASSERT_TRUE(PosixFileSystem()->CreateFile(Path("kept/file")).ok());
  ASSERT_TRUE(PosixFileSystem()->CreateFile(Path("elsewhere/inner/file")).ok());
  fs::create_directory_symlink(Path("kept"), Path("elsewhere/link"));
  fs::create_directory_symlink(Path("elsewhere"), Path("tree"));
  const absl::Status status = RemoveTree(PosixFileSystem(), Path("tree"));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_FALSE(fs::exists(fs::symlink_status(Path("tree"))));
  EXPECT_TRUE(fs::is_empty(Path("elsewhere")));
  EXPECT_TRUE(fs::exists(Path("kept/file")));
  EXPECT_TRUE(RemoveTree(PosixFileSystem(), Path("tree")).ok()) << "it is gone";
}

}  // namespace
}  // namespace walden

// What engine/io/file_system.h promises, of the real file system and of the one that tests use: the
// second is worth something only if it behaves as the first.
#include "engine/io/file_system.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "base/error.h"
#include "engine/io/posix_file_system.h"
#include "gtest/gtest.h"
#include "tests/support/fault_file_system.h"

namespace walden {
namespace {

enum class Kind { kPosix, kFault };

class FileSystemTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kPosix) {
      std::string pattern =
          (std::filesystem::temp_directory_path() / "walden-files-XXXXXX").string();
      ASSERT_NE(mkdtemp(pattern.data()), nullptr);
      root_ = pattern;
      files_ = PosixFileSystem();
    } else {
      fault_files_ = std::make_unique<testing::FaultFileSystem>(1);
      files_ = fault_files_.get();
      root_ = "/root";
      ASSERT_TRUE(files_->CreateDirectory(root_).ok());
    }
  }

  void TearDown() override {
    if (GetParam() == Kind::kPosix) std::filesystem::remove_all(root_);
  }

  std::string Path(const std::string& name) const { return root_ + "/" + name; }

  std::unique_ptr<File> Create(const std::string& name, absl::string_view bytes = "") {
    auto file = files_->CreateFile(Path(name));
    EXPECT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE((*file)->Write(0, {bytes}).ok());
    return std::move(*file);
  }

  static std::string Read(const File& file, uint64_t offset, size_t size) {
    std::string bytes(size, '?');
    const auto got = file.Read(offset, absl::MakeSpan(bytes.data(), bytes.size()));
    EXPECT_TRUE(got.ok()) << got.status();
    bytes.resize(got.ok() ? *got : 0);
    return bytes;
  }

  std::unique_ptr<testing::FaultFileSystem> fault_files_;
  FileSystem* files_ = nullptr;
  std::string root_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, FileSystemTest, ::testing::Values(Kind::kPosix, Kind::kFault),
                         [](const auto& info) {
                           return info.param == Kind::kPosix ? "Posix" : "Fault";
                         });

void ExpectError(const absl::Status& status, absl::StatusCode code, ErrorReason reason,
                 const std::string& path) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_TRUE(HasReason(status, reason)) << status;
  EXPECT_NE(status.message().find(path), absl::string_view::npos) << status;
}

TEST_P(FileSystemTest, AFileSaysHowWritesToItAreAligned) {
  const uint32_t alignment = Create("file")->WriteAlignment();
  EXPECT_GE(alignment, 512u);
  EXPECT_EQ(alignment & (alignment - 1), 0u) << alignment;
}

TEST_P(FileSystemTest, WhatIsWrittenIsRead) {
  const auto file = Create("f", "0123456789");
  ASSERT_TRUE(file->Write(4, {"ab", "", "cd"}).ok());
  EXPECT_EQ(Read(*file, 0, 10), "0123abcd89");
  EXPECT_EQ(Read(*file, 8, 100), "89") << "fewer at the end";
  EXPECT_EQ(Read(*file, 10, 5), "");
  EXPECT_EQ(Read(*file, 100, 5), "");
  EXPECT_EQ(*file->Size(), 10u);
  EXPECT_TRUE(file->SyncData().ok());
}

TEST_P(FileSystemTest, ManyPiecesAreWrittenOneAfterTheOther) {
  const auto file = Create("f");
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    texts.push_back(std::string(i % 7, static_cast<char>('a' + i % 26)));
    expected += texts.back();
  }
  const std::vector<absl::string_view> pieces(texts.begin(), texts.end());
  ASSERT_TRUE(file->Write(3, pieces).ok());
  EXPECT_EQ(Read(*file, 3, expected.size()), expected);
  EXPECT_EQ(Read(*file, 0, 3), std::string(3, '\0')) << "a gap reads as zeros";
}

TEST_P(FileSystemTest, AllocatedBytesReadAsZerosAndWrittenOnesStay) {
  const auto file = Create("f", "abc");
  ASSERT_TRUE(file->Allocate(100000).ok());
  EXPECT_EQ(*file->Size(), 100000u);
  EXPECT_EQ(Read(*file, 0, 100000), "abc" + std::string(99997, '\0'));
  ASSERT_TRUE(file->Allocate(10).ok());
  EXPECT_EQ(*file->Size(), 100000u) << "it never shrinks";
}

TEST_P(FileSystemTest, OpenedFilesSeeEachOthersWrites) {
  const auto file = Create("f", "abc");
  const auto other = files_->OpenFile(Path("f"), FileSystem::OpenMode::kReadWrite);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ((*other)->path(), Path("f"));
  ASSERT_TRUE((*other)->Write(1, {"X"}).ok());
  EXPECT_EQ(Read(*file, 0, 3), "aXc");
}

TEST_P(FileSystemTest, AFileOpenedForReadingCannotBeWritten) {
  Create("f", "abc");
  const auto file = files_->OpenFile(Path("f"), FileSystem::OpenMode::kReadOnly);
  ASSERT_TRUE(file.ok());
  ExpectError((*file)->Write(0, {"X"}), absl::StatusCode::kUnavailable, ErrorReason::kIoError,
              Path("f"));
  EXPECT_EQ(Read(**file, 0, 3), "abc");
}

TEST_P(FileSystemTest, WhatDoesNotExistIsNotFoundAndNamed) {
  const std::string none = Path("none");
  constexpr auto kCode = absl::StatusCode::kNotFound;
  constexpr auto kReason = ErrorReason::kNotFound;
  ExpectError(files_->OpenFile(none, FileSystem::OpenMode::kReadOnly).status(), kCode, kReason,
              none);
  ExpectError(files_->ListDirectory(none).status(), kCode, kReason, none);
  ExpectError(files_->RemoveFile(none), kCode, kReason, none);
  ExpectError(files_->RemoveDirectory(none), kCode, kReason, none);
  ExpectError(files_->Rename(none, Path("other")), kCode, kReason, none);
  ExpectError(files_->SyncDirectory(none), kCode, kReason, none);
  ExpectError(files_->LockDirectory(none).status(), kCode, kReason, none);
  ExpectError(files_->FreeBytes(none).status(), kCode, kReason, none);
  ExpectError(files_->CreateFile(none + "/f").status(), kCode, kReason, none);
  ExpectError(files_->CreateDirectory(none + "/d"), kCode, kReason, none);
}

TEST_P(FileSystemTest, CreatingAFileThatExistsIsRefused) {
  Create("f", "abc");
  const auto again = files_->CreateFile(Path("f"));
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists) << again.status();
  const auto file = files_->OpenFile(Path("f"), FileSystem::OpenMode::kReadOnly);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Read(**file, 0, 10), "abc");
}

TEST_P(FileSystemTest, ADirectoryMayBeCreatedTwice) {
  EXPECT_TRUE(files_->CreateDirectory(Path("d")).ok());
  EXPECT_TRUE(files_->CreateDirectory(Path("d")).ok());
  Create("f");
  EXPECT_FALSE(files_->CreateDirectory(Path("f")).ok()) << "a file of that name is there";
}

TEST_P(FileSystemTest, NamesAreListedInOrder) {
  for (const char* name : {"b", "a", "10", "9"}) Create(name);
  ASSERT_TRUE(files_->CreateDirectory(Path("c")).ok());
  const auto names = files_->ListDirectory(root_);
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_EQ(*names, (std::vector<std::string>{"10", "9", "a", "b", "c"}));
}

TEST_P(FileSystemTest, RenamingReplacesAndOpenFilesStayUsable) {
  const auto old_file = Create("old", "old");
  const auto new_file = Create("new", "new");
  ASSERT_TRUE(files_->Rename(Path("new"), Path("old")).ok());
  EXPECT_EQ(*files_->ListDirectory(root_), std::vector<std::string>{"old"});
  EXPECT_EQ(Read(*old_file, 0, 3), "old");
  EXPECT_EQ(Read(*new_file, 0, 3), "new");
  const auto file = files_->OpenFile(Path("old"), FileSystem::OpenMode::kReadOnly);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Read(**file, 0, 3), "new");
}

TEST_P(FileSystemTest, ARemovedFileLivesOnInWhoHasItOpen) {
  const auto file = Create("f", "abc");
  const auto mapping = file->Map();
  ASSERT_TRUE(mapping.ok());
  ASSERT_TRUE(files_->RemoveFile(Path("f")).ok());
  EXPECT_EQ(Read(*file, 0, 3), "abc");
  std::string bytes(3, '?');
  EXPECT_TRUE((*mapping)->Copy(0, absl::MakeSpan(bytes.data(), 3)).ok());
  EXPECT_EQ(bytes, "abc");
}

TEST_P(FileSystemTest, OnlyAnEmptyDirectoryIsRemoved) {
  ASSERT_TRUE(files_->CreateDirectory(Path("d")).ok());
  Create("d/f");
  EXPECT_FALSE(files_->RemoveDirectory(Path("d")).ok());
  ASSERT_TRUE(files_->RemoveFile(Path("d/f")).ok());
  EXPECT_TRUE(files_->RemoveDirectory(Path("d")).ok());
  EXPECT_TRUE(files_->SyncDirectory(root_).ok());
}

TEST_P(FileSystemTest, AMappingSeesLaterWritesAndKnowsItsEnd) {
  const auto file = Create("f", std::string(10000, 'a'));
  const auto mapping = file->Map();
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  EXPECT_EQ((*mapping)->size(), 10000u);
  ASSERT_TRUE(file->Write(5000, {"later"}).ok());
  std::string bytes(5, '?');
  ASSERT_TRUE((*mapping)->Copy(5000, absl::MakeSpan(bytes.data(), 5)).ok());
  EXPECT_EQ(bytes, "later");
  (*mapping)->Release(0, 10000);
  ASSERT_TRUE((*mapping)->Copy(9995, absl::MakeSpan(bytes.data(), 5)).ok());
  EXPECT_EQ(bytes, "aaaaa");
  for (const uint64_t offset : {uint64_t{9996}, uint64_t{10000}, UINT64_MAX}) {
    EXPECT_EQ((*mapping)->Copy(offset, absl::MakeSpan(bytes.data(), 5)).code(),
              absl::StatusCode::kOutOfRange);
  }
}

TEST_P(FileSystemTest, AnEmptyFileCanBeMapped) {
  const auto mapping = Create("f")->Map();
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  EXPECT_EQ((*mapping)->size(), 0u);
  EXPECT_TRUE((*mapping)->Copy(0, {}).ok());
}

TEST_P(FileSystemTest, AMappingOutlivesItsFile) {
  auto file = Create("f", "abc");
  auto mapping = file->Map();
  ASSERT_TRUE(mapping.ok());
  ASSERT_TRUE(file->Close().ok());
  file.reset();
  std::string bytes(3, '?');
  ASSERT_TRUE((*mapping)->Copy(0, absl::MakeSpan(bytes.data(), 3)).ok());
  EXPECT_EQ(bytes, "abc");
}

TEST_P(FileSystemTest, AMappingReadsWhileTheFileIsWritten) {
  const auto file = Create("f", std::string(1 << 20, 'a'));
  const auto mapping = file->Map();
  ASSERT_TRUE(mapping.ok());
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(file->Write(512 * 1024 + i * 100, {std::string(100, 'b')}).ok());
    }
  });
  std::string bytes(1000, '?');
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE((*mapping)->Copy(i * 1000, absl::MakeSpan(bytes.data(), 1000)).ok());
    ASSERT_EQ(bytes, std::string(1000, 'a'));
  }
  writer.join();
}

TEST_P(FileSystemTest, ALockExcludesAndEndsWithItsHolder) {
  auto lock = files_->LockDirectory(root_);
  ASSERT_TRUE(lock.ok()) << lock.status();
  ExpectError(files_->LockDirectory(root_).status(), absl::StatusCode::kFailedPrecondition,
              ErrorReason::kLocked, root_);
  lock->reset();
  EXPECT_TRUE(files_->LockDirectory(root_).ok());
}

TEST_P(FileSystemTest, FreeBytesSaysSomething) {
  const auto bytes = files_->FreeBytes(root_);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_GT(*bytes, 0u);
}

}  // namespace
}  // namespace walden

// The one seam between Walden and the operating system: every file operation of every engine goes
// through these interfaces, and nothing else in engine/ makes a system call.
//
// PosixFileSystem (posix_file_system.h) is the real one. Tests put files under the engine that
// forget what was not synced, tear a write, or fail at the n-th call.
//
// Errors, all of them made by MakeError (base/error.h) and naming path, operation and errno:
//   NOT_FOUND             the path does not exist
//   ALREADY_EXISTS        creating a path that does
//   RESOURCE_EXHAUSTED    DISK_FULL: ENOSPC, EDQUOT. TOO_MANY_FILES: EMFILE, ENFILE
//   FAILED_PRECONDITION   LOCKED
//   DATA_LOSS             CORRUPTION: opening what is not a regular file (a FIFO, a directory)
//   UNAVAILABLE           IO_ERROR: everything else, a bad page under a mapping included
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace walden {

// A read-only shared mapping of a whole file, coherent with writes to the same file.
// Any thread may use it.
class Mapping {
 public:
  virtual ~Mapping() = default;

  virtual uint64_t size() const = 0;

  // Copies [offset, offset + out.size()) to `out`. Past the end is OUT_OF_RANGE. A page that cannot
  // be read (bad disk, file cut short) is IO_ERROR, never a signal.
  virtual absl::Status Copy(uint64_t offset, absl::Span<char> out) const = 0;

  // Hints that [offset, offset + length) will not be read again soon, so that its pages stop
  // counting as this process's memory. Contents stay.
  virtual void Release(uint64_t offset, uint64_t length) const = 0;
};

// One open file. One thread at a time may call the writing functions; Read may run beside them.
class File {
 public:
  virtual ~File() = default;  // closes; call Close() to learn of errors

  virtual const std::string& path() const = 0;
  virtual absl::StatusOr<uint64_t> Size() const = 0;

  // Bytes that the disk writes whole or not at all, a power of two. Writes that bypass the cache
  // must be aligned to multiples of it. 512 if the system does not know it.
  virtual uint32_t WriteAlignment() const { return 512; }

  // Grows the file to `size` with allocated blocks that read as zeros. Afterwards a write below
  // `size` cannot fail for lack of space. DISK_FULL leaves the file as it was, or longer.
  virtual absl::Status Allocate(uint64_t size) = 0;

  // Writes all pieces one after the other at `offset`. On error any part may have been written.
  virtual absl::Status Write(uint64_t offset, absl::Span<const absl::string_view> pieces) = 0;

  // Reads up to out.size() bytes; fewer only at the end of the file.
  virtual absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> out) const = 0;

  // Hints that a SyncData will follow soon, so the disk may begin to write these bytes. Makes
  // nothing durable.
  virtual void StartWriteBack(uint64_t /*offset*/, uint64_t /*length*/) {}

  // fdatasync. After an error every write since the last success is in doubt, and another call does
  // not help: https://wiki.postgresql.org/wiki/Fsync_Errors
  virtual absl::Status SyncData() = 0;

  // IO_ERROR on file systems without shared mappings.
  virtual absl::StatusOr<std::unique_ptr<Mapping>> Map() = 0;

  // OK if `path` still names this file and the file has at least `size` bytes. DATA_LOSS
  // (CORRUPTION) if the file was cut, removed or replaced. Costs about a microsecond.
  virtual absl::Status CheckInPlace(const std::string& path, uint64_t size) const = 0;

  virtual absl::Status Close() = 0;
};

// An exclusive lock of a directory, which is held while this object lives.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;

  // OK if the directory is still in its place. DATA_LOSS if it is gone or another one is in its
  // place: it was moved, or its volume is no longer mounted.
  virtual absl::Status CheckInPlace() const = 0;
};

// Any thread may use it. Paths are used as given; directories end without a slash.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Creates a file for reading and writing, which must not exist. Durable only after SyncDirectory
  // of its parent. New files and directories are not accessible to other users.
  virtual absl::StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) = 0;

  enum class OpenMode {
    kReadOnly,
    kReadWrite,
    // As kReadOnly, but bytes come from the medium: a cache may be right where the medium no longer
    // is. Without direct reads they come from the cache, after the file's clean pages were dropped.
    kReadFromMedium
  };
  // Opens a file. Never waits for the other end of a FIFO.
  virtual absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path,
                                                         OpenMode mode) = 0;

  // Names (not paths) of the entries of a directory, sorted, without "." and "..".
  virtual absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) = 0;

  // Creates a directory, but no parents. OK if the directory exists.
  virtual absl::Status CreateDirectory(const std::string& path) = 0;

  // Replaces `to` atomically if it exists.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;

  virtual absl::Status RemoveFile(const std::string& path) = 0;
  virtual absl::Status RemoveDirectory(const std::string& path) = 0;  // must be empty

  // Makes creations, renames and removals in the directory durable.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;

  // Takes the exclusive lock of a directory by its file LOCK. LOCKED if another process has it; the
  // message names the process.
  virtual absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(const std::string& path) = 0;

  // The kind of the file at `path`. A symbolic link is not followed. NOT_FOUND if there is no file.
  enum class EntryKind { kFile, kDirectory, kSymbolicLink, kOther };
  virtual absl::StatusOr<EntryKind> KindOf(const std::string& path) = 0;

  // The file's size in bytes. Does not open the file.
  virtual absl::StatusOr<uint64_t> FileSize(const std::string& path) = 0;

  // The time of the last write to the file.
  virtual absl::StatusOr<absl::Time> LastWritten(const std::string& path) = 0;

  // Bytes that an ordinary user can still allocate.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;
  // Size of the whole file system.
  virtual absl::StatusOr<uint64_t> TotalBytes(const std::string& path) = 0;
};

}  // namespace walden

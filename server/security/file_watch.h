// Detects changes of files by polling.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace walden {

// One thread at a time. Symbolic links are followed, so that a changed link is a change, too.
class FileWatch {
 public:
  // Compares with the present state of the files. Ignores empty paths.
  explicit FileWatch(std::vector<std::string> paths);

  // Returns true once after a change, as soon as two looks in a row find the same state: files that
  // belong together are often replaced one after the other.
  bool Changed();

  // Makes Changed report the change again some looks later. For files that could not be read for a
  // passing cause.
  void TellAgain() { again_in_ = kLooksBetween; }

 private:
  static constexpr int kLooksBetween = 5;
  using Signature = std::vector<int64_t>;

  Signature Look() const;

  std::vector<std::string> paths_;
  Signature known_;
  Signature last_;
  int again_in_ = 0;  // looks; 0: never
};

}  // namespace walden

// Detects changes of files by polling.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace walden {

// One thread at a time. Symbolic links are followed, so that a changed link is a change, too.
class FileWatch {
 public:
  // Of what the files are now. Empty paths are left out.
  explicit FileWatch(std::vector<std::string> paths);

  // True once after a change, when nothing changed between this look and the last one: files that
  // belong together are often replaced one after the other.
  bool Changed();

  // Reports the change again some looks later, because the files could not be read for a cause that
  // may pass.
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

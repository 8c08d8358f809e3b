// Collects the problems of a configuration, so that one error reports all of them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace walden {

// One thread at a time.
class ConfigProblems {
 public:
  // `where` is a place in the file, a variable or an option; `key` a path, empty if there is none.
  void Add(absl::string_view where, absl::string_view key, absl::string_view what);

  // Adds a value that its field refuses. The line names the value and the allowed ones.
  void AddValue(absl::string_view where, absl::string_view key, absl::string_view value,
                absl::string_view what, absl::string_view allowed);

  // Marks a setting as wrong because a part of it is, without a line of its own.
  void MarkWrong(absl::string_view key) { keys_.insert(std::string(key)); }

  // Whether the setting at this path has a problem, so that others are not compared with it.
  bool Has(absl::string_view key) const { return keys_.count(std::string(key)) > 0; }

  // OK, or INVALID_ARGUMENT with one line per problem.
  absl::Status ToStatus() const;

 private:
  std::vector<std::string> lines_;
  std::set<std::string> keys_;
};

}  // namespace walden

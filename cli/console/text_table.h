// Columns that line up, for people.
#pragma once

#include <string>
#include <vector>

namespace walden::cli {

// One thread at a time.
class TextTable {
 public:
  // A title that begins with '>' is of a column that is set flush right.
  explicit TextTable(std::vector<std::string> titles);

  // As many cells as titles.
  void AddRow(std::vector<std::string> cells);

  // Title row first, each line ended by a newline, no trailing blanks. Nothing when it has no row.
  std::string ToString() const;

 private:
  std::vector<bool> flush_right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace walden::cli

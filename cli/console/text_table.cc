#include "cli/console/text_table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace walden::cli {

TextTable::TextTable(std::vector<std::string> titles) {
  for (std::string& title : titles) {
    const bool right = !title.empty() && title.front() == '>';
    if (right) title.erase(0, 1);
    flush_right_.push_back(right);
  }
  rows_.push_back(std::move(titles));
}

void TextTable::AddRow(std::vector<std::string> cells) {
  cells.resize(flush_right_.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::ToString() const {
  if (rows_.size() == 1) return "";
  std::vector<size_t> widths(flush_right_.size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", flush_right_[i] ? padding : "", row[i],
                      flush_right_[i] ? "" : padding);
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace walden::cli

// The documentation of every field, written from the table of fields.
#pragma once

#include <string>

namespace walden {

// The text of config/waldend.yaml: every field with its default, purpose and allowed values.
std::string DefaultFileReference();

// The tables in docs/operators/configuration.md.
std::string MarkdownReference();

}  // namespace walden

// The status page: one self-contained HTML document that shows /status.json.
#pragma once

#include "absl/strings/string_view.h"

namespace walden {

// status_page.html with its style (.css) and scripts (status_page.js, status_regions.js) in it, as
// they were at the build.
absl::string_view StatusPageHtml();

}  // namespace walden

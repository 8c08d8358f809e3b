#include "tests/conformance/engine_under_test.h"

#include "engine/segment/format.h"
#include "engine/segment/segment_engine.h"

namespace walden::testing {

const std::vector<EngineUnderTest>& EnginesUnderTest() {
  static const auto* engines = new std::vector<EngineUnderTest>{
      {"segment",
       [](FileSystem* files, const std::string& directory) {
         return OpenSegmentEngine(files, directory);
       },
       [](uint64_t segment_bytes) {
         return segment_bytes - segment::kMagicBytes - segment::kMinRecordBytes;
       }},
  };
  return *engines;
}

}  // namespace walden::testing

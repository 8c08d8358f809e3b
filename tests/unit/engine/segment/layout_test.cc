// The files beside the segments, LOCK and evidence/, against FORMAT.md.
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/io/posix_file_system.h"
#include "engine/wait.h"
#include "tests/support/real_directory.h"
#include "tests/unit/engine/segment/engine_fixture.h"

namespace walden::testing {
namespace {

using ::testing::HasSubstr;

std::string SegmentFormatPage() {
  std::stringstream page;
  page << std::ifstream(std::string(WALDEN_SOURCE_DIR) + "/engine/segment/FORMAT.md").rdbuf();
  return page.str();
}

class SegmentLockTest : public RealDirectoryTest {
 protected:
  absl::StatusOr<std::unique_ptr<SegmentEngine>> OpenEngine() const {
    return SegmentEngine::Open({.file_system = PosixFileSystem(),
                                .clock = Clock::Real(),
                                .data_directory = root_,
                                .namespace_name = "ns"});
  }
  std::string LockPath() const { return root_ + "/ns/LOCK"; }
};

TEST_F(SegmentLockTest, TheProcessThatHasANamespaceOpenHoldsTheLockAndIsNamedInIt) {
  ASSERT_THAT(SegmentFormatPage(), HasSubstr("`process <pid> on host <name>` and a newline"));
  auto engine = OpenEngine();
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto log = OpenRegionAndWait(**engine, 7, {.segment_size_bytes = 1 << 20}, /*create=*/true);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_TRUE(IsLocked(LockPath()));
  EXPECT_EQ(Contents(LockPath()), ThisProcess() + "\n");

  const absl::Status second = OpenEngine().status();
  EXPECT_TRUE(HasReason(second, ErrorReason::kLocked)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("is in use by " + ThisProcess()));
  EXPECT_EQ(GetErrorInfo(second)->metadata.at("holder"), ThisProcess());

  *log = nullptr;
  *engine = nullptr;
  EXPECT_FALSE(IsLocked(LockPath()));
  EXPECT_TRUE(OpenEngine().ok());
}

class SegmentEvidenceTest : public SegmentEngineTest {
 protected:
  // Two groups of one record each, three sectors long. A sector of the second one was never
  // written. Returns the segment's bytes.
  std::string TearLastGroup() {
    OpenEngine();
    OpenRegion();
    EXPECT_TRUE(Append(1, 1000, 'a').status.ok());
    EXPECT_TRUE(Append(1, 1000, 'b').status.ok());
    disk_.Kill();
    log_ = nullptr;
    engine_ = nullptr;
    disk_.Restart();
    disk_.ZeroRange(kSegment, kSecondGroup + 512, 512);
    return disk_.ReadWhole(kSegment);
  }
  static std::string EvidenceName(int number) {
    const std::string pattern = "evidence/torn_seg_<id>_at_<offset>_<n>";
    EXPECT_THAT(SegmentFormatPage(), HasSubstr("`" + pattern + "`"));
    return absl::StrReplaceAll(
        pattern,
        {{"<id>", "0"}, {"<offset>", absl::StrCat(kSecondGroup)}, {"<n>", absl::StrCat(number)}});
  }

  static constexpr char kSegment[] = "/data/ns/7/seg_0";
  static constexpr uint64_t kSecondGroup = 512 + 3 * 512;
};

TEST_F(SegmentEvidenceTest, ATornTailIsKeptUnderItsPlaceByteForByte) {
  const std::string torn = TearLastGroup();
  Restart();
  const OpeningReport report = log_->Describe().opening;
  EXPECT_EQ(report.outcome, OpeningReport::Outcome::kTornTail);
  EXPECT_EQ(report.evidence_file, "ns/7/" + EvidenceName(0));
  const std::string kept = disk_.ReadWhole("/data/" + report.evidence_file);
  EXPECT_EQ(kept.size(), report.torn_tail_bytes);
  EXPECT_EQ(kept, torn.substr(kSecondGroup, kept.size()));
  EXPECT_EQ(torn.find_first_not_of('\0', kSecondGroup + kept.size()), std::string::npos)
      << "bytes of the tail are not kept";
  EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u);
}

TEST_F(SegmentEvidenceTest, EvidenceOfTheSamePlaceIsNotOverwritten) {
  (void)TearLastGroup();
  const std::string first = "/data/ns/7/" + EvidenceName(0);
  ASSERT_TRUE(disk_.CreateDirectory("/data/ns/7/evidence").ok());
  ASSERT_TRUE((*disk_.CreateFile(first))->Write(0, {"older"}).ok());
  Restart();
  EXPECT_EQ(log_->Describe().opening.evidence_file, "ns/7/" + EvidenceName(1));
  EXPECT_EQ(disk_.ReadWhole(first), "older");
}

}  // namespace
}  // namespace walden::testing

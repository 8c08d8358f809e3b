#include "server/security/file_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace walden {
namespace {

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() { std::filesystem::create_directories(directory_); }
  ~FileWatchTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(Path(name)) << text;
  }

  const std::string directory_ = ::testing::TempDir() + "/file_watch_" +
                                 ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(FileWatchTest, ToldOnceWhenAChangeHasSettled) {
  Write("a", "1");
  Write("b", "1");
  FileWatch watch({Path("a"), "", Path("b")});
  EXPECT_FALSE(watch.Changed());
  Write("a", "22");
  EXPECT_FALSE(watch.Changed());  // just now
  Write("b", "22");
  EXPECT_FALSE(watch.Changed());  // the other one, too
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
}

TEST_F(FileWatchTest, SeesReplacedRemovedAndLinkedFiles) {
  Write("a", "1");
  Write("b", "1");
  std::filesystem::create_symlink(Path("a"), Path("link"));
  FileWatch watch({Path("link")});
  std::filesystem::remove(Path("link"));
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
  std::filesystem::create_symlink(Path("b"), Path("link"));
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
  Write("new", "1");
  std::filesystem::rename(Path("new"), Path("b"));
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
}

TEST_F(FileWatchTest, WhatCouldNotBeReadIsToldAgainWithoutAChange) {
  Write("a", "1");
  FileWatch watch({Path("a")});
  Write("a", "22");
  EXPECT_FALSE(watch.Changed());
  ASSERT_TRUE(watch.Changed());
  watch.TellAgain();
  int looks = 1;
  while (!watch.Changed()) ASSERT_LT(++looks, 10);
  EXPECT_GT(looks, 1);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(watch.Changed());
}

}  // namespace
}  // namespace walden

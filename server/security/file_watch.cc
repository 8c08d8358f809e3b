#include "server/security/file_watch.h"

#include <sys/stat.h>

#include <utility>

namespace walden {

FileWatch::FileWatch(std::vector<std::string> paths) {
  for (std::string& path : paths) {
    if (!path.empty()) paths_.push_back(std::move(path));
  }
  known_ = last_ = Look();
}

bool FileWatch::Changed() {
  Signature now = Look();
  const bool settled = now == last_;
  last_ = now;
  const bool again = again_in_ > 0 && --again_in_ == 0;
  if (!settled || (now == known_ && !again)) return false;
  known_ = std::move(now);
  again_in_ = 0;
  return true;
}

FileWatch::Signature FileWatch::Look() const {
  Signature signature;
  for (const std::string& path : paths_) {
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0) file = {};  // loading the file reports the error
    for (const int64_t part :
         {static_cast<int64_t>(file.st_dev), static_cast<int64_t>(file.st_ino),
          static_cast<int64_t>(file.st_size), static_cast<int64_t>(file.st_mtim.tv_sec),
          static_cast<int64_t>(file.st_mtim.tv_nsec), static_cast<int64_t>(file.st_ctim.tv_sec),
          static_cast<int64_t>(file.st_ctim.tv_nsec)}) {
      signature.push_back(part);
    }
  }
  return signature;
}

}  // namespace walden

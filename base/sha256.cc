#include "base/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace walden {

Sha256 Sha256Of(absl::string_view text) {
  // The algorithm is fetched once: the look-up costs more than the hash.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Sha256 hash{};
  unsigned int size = hash.size();
  if (algorithm == nullptr ||
      EVP_Digest(text.data(), text.size(), hash.data(), &size, algorithm, nullptr) != 1) {
    abort();
  }
  return hash;
}

}  // namespace walden

#include "server/observation/observed_registry.h"

namespace walden {

bool ObservedRegistry::With(absl::FunctionRef<void(const RegionRegistry&)> look) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (registry_ == nullptr) return false;
  look(*registry_);
  return true;
}

void ObservedRegistry::Release() {
  absl::MutexLock lock(&mutex_);
  registry_ = nullptr;
}

}  // namespace walden

// Tells ThreadSanitizer what Abseil's mutexes order. Only in builds with -fsanitize=thread.
//
// Debian's Abseil is built without the sanitizer, so a lock taken inside it is invisible, and every
// field that an absl::Mutex guards would be reported as a race. These definitions stand before the
// library's own, call them, and add the edges. gRPC's mutexes are Abseil's too.
//
// Conditions that Abseil evaluates for a waiting thread are read while its lock is really held but
// after the edge is drawn; such reads are ignored.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

// Of the sanitizer's runtime; its headers do not declare them.
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

// The library's function of the name that the compiler gave ours.
template <typename Function>
Function Next(const char* mangled_name) {
  void* const found = dlsym(RTLD_NEXT, mangled_name);
  if (found == nullptr) {
    std::fprintf(stderr, "tsan_abseil: %s is not in the Abseil library\n", mangled_name);
    std::abort();
  }
  return reinterpret_cast<Function>(found);
}

// The inline namespace that Abseil's symbols live in, as its mangled names spell it.
#define WALDEN_ABSL "_ZN4absl7debian3"

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

#define WALDEN_LOCK(name, mangled)                                                 \
  void Mutex::name() {                                                             \
    static const auto next = Next<void (*)(Mutex*)>(WALDEN_ABSL "5Mutex" mangled); \
    next(this);                                                                    \
    __tsan_acquire(this);                                                          \
  }

#define WALDEN_TRY_LOCK(name, mangled)                                             \
  bool Mutex::name() {                                                             \
    static const auto next = Next<bool (*)(Mutex*)>(WALDEN_ABSL "5Mutex" mangled); \
    const bool locked = next(this);                                                \
    if (locked) __tsan_acquire(this);                                              \
    return locked;                                                                 \
  }

#define WALDEN_UNLOCK(name, mangled)                                               \
  void Mutex::name() {                                                             \
    static const auto next = Next<void (*)(Mutex*)>(WALDEN_ABSL "5Mutex" mangled); \
    __tsan_release(this);                                                          \
    IgnoreReads ignore;                                                            \
    next(this);                                                                    \
  }

WALDEN_LOCK(Lock, "4LockEv")
WALDEN_LOCK(ReaderLock, "10ReaderLockEv")
WALDEN_TRY_LOCK(TryLock, "7TryLockEv")
WALDEN_TRY_LOCK(ReaderTryLock, "13ReaderTryLockEv")
WALDEN_UNLOCK(Unlock, "6UnlockEv")
WALDEN_UNLOCK(ReaderUnlock, "12ReaderUnlockEv")

void Mutex::LockWhen(const Condition& condition) {
  static const auto next =
      Next<void (*)(Mutex*, const Condition&)>(WALDEN_ABSL "5Mutex8LockWhenERKNS0_9ConditionE");
  {
    IgnoreReads ignore;
    next(this, condition);
  }
  __tsan_acquire(this);
}

void Mutex::Await(const Condition& condition) {
  static const auto next =
      Next<void (*)(Mutex*, const Condition&)>(WALDEN_ABSL "5Mutex5AwaitERKNS0_9ConditionE");
  __tsan_release(this);
  {
    IgnoreReads ignore;
    next(this, condition);
  }
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static const auto next = Next<bool (*)(Mutex*, const Condition&, Duration)>(
      WALDEN_ABSL "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_release(this);
  bool held = false;
  {
    IgnoreReads ignore;
    held = next(this, condition, timeout);
  }
  __tsan_acquire(this);
  return held;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static const auto next = Next<bool (*)(Mutex*, const Condition&, Time)>(
      WALDEN_ABSL "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  __tsan_release(this);
  bool held = false;
  {
    IgnoreReads ignore;
    held = next(this, condition, deadline);
  }
  __tsan_acquire(this);
  return held;
}

void CondVar::Wait(Mutex* mutex) {
  static const auto next =
      Next<void (*)(CondVar*, Mutex*)>(WALDEN_ABSL "7CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  next(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto next = Next<bool (*)(CondVar*, Mutex*, Duration)>(
      WALDEN_ABSL "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const auto next = Next<bool (*)(CondVar*, Mutex*, Time)>(
      WALDEN_ABSL "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

ABSL_NAMESPACE_END
}  // namespace absl

// Tells ThreadSanitizer what Abseil's mutexes, notifications and statuses order. Only in builds with -fsanitize=thread.
//
// Debian's Abseil is built without the sanitizer, so a lock taken inside it is invisible, and every
// field that an absl::Mutex guards would be reported as a race. These definitions stand before the
// library's own, call them, and add the edges. gRPC's mutexes are Abseil's too.
//
// What happens inside the library's own functions is ignored: its bookkeeping is ordered by locks
// that the sanitizer does not see, and conditions that it evaluates for a waiting thread are read
// after the edge of the unlocking thread is drawn.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

// Of the sanitizer's runtime, whose headers do not declare them. They stop it from looking at
// writes too.
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

class IgnoreAccesses {
 public:
  IgnoreAccesses() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreAccesses() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
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
#define WALDEN_ABSL_CONST "_ZNK4absl7debian3"

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

#define WALDEN_LOCK(name, mangled)                                                 \
  void Mutex::name() {                                                             \
    static const auto next = Next<void (*)(Mutex*)>(WALDEN_ABSL "5Mutex" mangled); \
    {                                                                              \
      IgnoreAccesses ignore;                                                       \
      next(this);                                                                  \
    }                                                                              \
    __tsan_acquire(this);                                                          \
  }

#define WALDEN_TRY_LOCK(name, mangled)                                             \
  bool Mutex::name() {                                                             \
    static const auto next = Next<bool (*)(Mutex*)>(WALDEN_ABSL "5Mutex" mangled); \
    bool locked = false;                                                           \
    {                                                                              \
      IgnoreAccesses ignore;                                                       \
      locked = next(this);                                                         \
    }                                                                              \
    if (locked) __tsan_acquire(this);                                              \
    return locked;                                                                 \
  }

#define WALDEN_UNLOCK(name, mangled)                                               \
  void Mutex::name() {                                                             \
    static const auto next = Next<void (*)(Mutex*)>(WALDEN_ABSL "5Mutex" mangled); \
    __tsan_release(this);                                                          \
    IgnoreAccesses ignore;                                                         \
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
    IgnoreAccesses ignore;
    next(this, condition);
  }
  __tsan_acquire(this);
}

// Gives the mutex up and takes it again inside the library.
template <typename Result, typename... Arguments>
Result Waiting(Mutex* mutex, Result (*next)(Arguments...),
               std::type_identity_t<Arguments>... arguments) {
  struct Edges {
    explicit Edges(Mutex* mutex) : mutex(mutex) { __tsan_release(mutex); }
    ~Edges() { __tsan_acquire(mutex); }
    Mutex* mutex;
  } edges(mutex);
  IgnoreAccesses ignore;
  return next(arguments...);
}

void Mutex::Await(const Condition& condition) {
  static const auto next =
      Next<void (*)(Mutex*, const Condition&)>(WALDEN_ABSL "5Mutex5AwaitERKNS0_9ConditionE");
  Waiting(this, next, this, condition);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static const auto next = Next<bool (*)(Mutex*, const Condition&, Duration)>(
      WALDEN_ABSL "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Waiting(this, next, this, condition, timeout);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static const auto next = Next<bool (*)(Mutex*, const Condition&, Time)>(
      WALDEN_ABSL "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Waiting(this, next, this, condition, deadline);
}

void CondVar::Wait(Mutex* mutex) {
  static const auto next =
      Next<void (*)(CondVar*, Mutex*)>(WALDEN_ABSL "7CondVar4WaitEPNS0_5MutexE");
  Waiting(mutex, next, this, mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto next = Next<bool (*)(CondVar*, Mutex*, Duration)>(
      WALDEN_ABSL "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  return Waiting(mutex, next, this, mutex, timeout);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const auto next = Next<bool (*)(CondVar*, Mutex*, Time)>(
      WALDEN_ABSL "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  return Waiting(mutex, next, this, mutex, deadline);
}

// Whoever waits sees what came before Notify, also where it finds the notification without the mutex.
void Notification::Notify() {
  static const auto next = Next<void (*)(Notification*)>(WALDEN_ABSL "12Notification6NotifyEv");
  __tsan_release(this);
  IgnoreAccesses ignore;
  next(this);
}

void Notification::WaitForNotification() const {
  static const auto next = Next<void (*)(const Notification*)>(
      WALDEN_ABSL_CONST "12Notification19WaitForNotificationEv");
  {
    IgnoreAccesses ignore;
    next(this);
  }
  __tsan_acquire(const_cast<Notification*>(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static const auto next = Next<bool (*)(const Notification*, Duration)>(
      WALDEN_ABSL_CONST "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  bool is_notified = false;
  {
    IgnoreAccesses ignore;
    is_notified = next(this, timeout);
  }
  if (is_notified) __tsan_acquire(const_cast<Notification*>(this));
  return is_notified;
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  static const auto next = Next<bool (*)(const Notification*, Time)>(
      WALDEN_ABSL_CONST "12Notification31WaitForNotificationWithDeadlineENS0_4TimeE");
  bool is_notified = false;
  {
    IgnoreAccesses ignore;
    is_notified = next(this, deadline);
  }
  if (is_notified) __tsan_acquire(const_cast<Notification*>(this));
  return is_notified;
}

// The last copy of a status destroys what all of them had.
void Status::UnrefNonInlined(uintptr_t rep) {
  static const auto next = Next<void (*)(uintptr_t)>(WALDEN_ABSL "6Status15UnrefNonInlinedEm");
  void* const shared = reinterpret_cast<void*>(rep);
  __tsan_release(shared);
  __tsan_acquire(shared);
  IgnoreAccesses ignore;
  next(rep);
}

ABSL_NAMESPACE_END
}  // namespace absl

#include "base/ticker.h"

#include <pthread.h>

#include <utility>

namespace walden {

Ticker::Ticker(absl::Duration interval, std::function<void()> tick)
    : interval_(interval), tick_(std::move(tick)), thread_([this] {
        pthread_setname_np(pthread_self(), "ticker");
        while (true) {
          {
            absl::MutexLock lock(&mutex_);
            if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval_)) return;
          }
          tick_();
        }
      }) {}

Ticker::~Ticker() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

}  // namespace walden

// What the user of walden_bench asked for.
#pragma once

#include <cstdint>
#include <string>

namespace walden::bench {

struct Options {
  // Where data is written while measuring; a folder of this run's own below what --dir says.
  std::string directory;
  // Path of the daemon, and of this program (which is the null server, too).
  std::string waldend;
  std::string self;
  bool unix_socket = false;
  int rounds = 9;
  double seconds_per_round = 1;
  double warm_up_seconds = 0.25;
  // The null server takes the daemon's place: every share through a server should be 1.
  bool calibrate = false;
  // Everything tiny, only to show that it runs.
  bool quick = false;

  // `full` bytes or things, or `tiny` in a quick run.
  uint64_t Scale(uint64_t full, uint64_t tiny) const { return quick ? tiny : full; }
};

}  // namespace walden::bench

// Harms bytes of a region's segment files, and knows the records that the harm may cost: those
// written by a call that also wrote a harmed byte. The engine writes one group by one call, and
// records of a group stand or fall together at worst; all others must survive. Groups that were
// harmed one after the other may cost each other, since each ends where a whole one follows: so a
// group once harmed stays in doubt.
//
// A record is found by the first kMarkBytes bytes of its payload, which must not occur anywhere
// else. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/simulation/region_on_disk.h"
#include "tests/support/random.h"

namespace walden::testing {

class HarmedWrites {
 public:
  static constexpr size_t kMarkBytes = 16;

  // Both outlive it, and the disk is written by nobody but the region.
  HarmedWrites(RegionOnDisk* region, Random* random);
  ~HarmedWrites();

  // Says whether writes from now on are groups. They are not while a region opens.
  void SetCommitting(bool committing) { committing_ = committing; }

  // Flips a bit, or overwrites up to 5000 bytes. Harms only bytes that were written, after the
  // file's header.
  void HarmSomething();

  // Whether any harm so far may have cost a record with this payload.
  bool MayHaveCost(const std::string& payload) const;
  // Whether there was harm since the last ForgetNew.
  bool any_new() const { return any_new_; }
  void ForgetNew() { any_new_ = false; }

 private:
  struct Extent {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  void Harm(const std::string& path, Extent bytes, const std::string& content);

  RegionOnDisk* const region_;
  Random* const random_;
  bool committing_ = false;
  std::map<std::string, std::vector<Extent>> written_;  // by path
  std::vector<std::string> harmed_;                     // what harmed writes had written
  bool any_new_ = false;
};

}  // namespace walden::testing

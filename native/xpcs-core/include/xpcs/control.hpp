// How a caller watches and stops long work: a progress callback and a cancel question, both may be empty.
#pragma once
#include <functional>

#include "xpcs/error.hpp"

namespace xpcs {

enum class Stage { reading, correlating, writing };

struct Control {
  std::function<void(Stage, double)> progress;  ///< may be called from any thread, one call at a time
  std::function<bool()> canceled;               ///< may be asked from any thread at once

  void report(Stage stage, double fraction) const {
    if (progress) progress(stage, fraction);
  }
  /// Throws canceled when the caller asked for it.
  void check() const {
    if (canceled && canceled()) throw Error(Code::canceled, "canceled");
  }
};

}  // namespace xpcs

// How a caller watches and stops long work: a progress callback and a cancel question, both may be empty.
#pragma once
#include <functional>
#include <string>

#include "xpcs/error.hpp"

namespace xpcs {

enum class Stage { reading, correlating, writing };

struct Control {
  std::function<void(Stage, double)> progress;  ///< may be called from any thread, one call at a time
  std::function<void(const std::string&)> note;    ///< something worth knowing before the work goes on, a few times at most
  std::function<bool()> canceled;               ///< may be asked from any thread at once

  void report(Stage stage, double fraction) const {
    if (progress) progress(stage, fraction);
  }
  /// The same for a part of the work: its progress from 0 to 1 goes from `from` to `to`. Lives no longer than this one.
  [[nodiscard]] Control within(double from, double to) const {
    Control part = *this;
    if (progress) part.progress = [this, from, to](Stage stage, double fraction) { progress(stage, from + fraction * (to - from)); };
    return part;
  }
  void tell(const std::string& text) const {
    if (note) note(text);
  }
  /// Throws canceled when the caller asked for it.
  void check() const {
    if (canceled && canceled()) throw Error(Code::canceled, "canceled");
  }
};

}  // namespace xpcs

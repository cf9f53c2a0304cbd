// How many photons a series will bring, before it is read: from the size of the file where that tells, and from a few of its frames.
#pragma once
#include <memory>

#include "xpcs/analysis.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {

/// An estimate on the high side. What lies beside the frames looked at can still be brighter.
struct PhotonSample {
  std::uint64_t inFile = 0;      ///< photons that a file of this size can hold at most; 0: the size does not tell (HDF5, whole frames)
  double selectedShare = 1;      ///< of these photons, on pixels of the selected q bins
  double perFrame = 0;           ///< photons on valid pixels in a frame of the file; where the size does not tell
  double selectedPerFrame = 0;   ///< those on pixels of the selected q bins
  std::int64_t largest = 0;      ///< count on these

  /// Photons of the selected bins, or of all, in a range of file frames.
  [[nodiscard]] std::uint64_t selected(std::uint64_t fileFrames) const;
  [[nodiscard]] std::uint64_t all(std::uint64_t fileFrames) const;
};

/// Looks at frames of a reader that is used for nothing else. Frames that cannot be read, where the damage is told later, count as full.
/// @param settings twoTime.bins are the selected bins @param frames of the file in the range; 0: not known
PhotonSample sample_photons(const Settings& settings, const Partition& partition, FrameReader& reader, std::uint64_t frames);

}  // namespace xpcs

#include "stream_tile.hpp"

#include <algorithm>
#include <cmath>

#include "xpcs/error.hpp"

namespace xpcs {

double magnitude_of(std::span<const std::int64_t> counts) {
  double sum = 0;
  for (const std::int64_t count : counts) sum += std::abs(static_cast<double>(count));
  return sum;
}

void check_magnitude(double magnitude) {
  if (magnitude >= 9.0e18) throw Error(Code::invalid_argument, "one pixel counts more than 9e18 photons: the sums would overflow");
}

void StreamTile::sort(StreamScratch& scratch) const {
  auto& start = scratch.start;
  start.assign(pixels_ + 2, 0);
  for (const Photon& photon : log_) ++start[photon.local + 2U];
  for (std::uint32_t i = 2; i < pixels_ + 2; ++i) start[i] += start[i - 1];
  if (scratch.frame.size() < log_.size()) {
    scratch.frame.resize(log_.size());
    scratch.count.resize(log_.size());
  }
  std::size_t large = 0;
  for (const Photon& photon : log_) {
    const std::uint32_t at = start[photon.local + 1U]++;
    scratch.frame[at] = photon.frame;
    scratch.count[at] = photon.count == kEscape ? large_[large++] : std::int64_t{photon.count};
  }
  // start[p] is now where pixel p begins. Photons of one frame are neighbours.
  std::uint32_t kept = 0;
  std::uint32_t from = 0;
  for (std::uint32_t local = 0; local < pixels_; ++local) {
    const std::uint32_t end = start[local + 1];
    const std::uint32_t begin = kept;
    for (std::uint32_t i = from; i < end; ++i) {
      if (kept > begin && scratch.frame[kept - 1] == scratch.frame[i]) {
        scratch.count[kept - 1] += scratch.count[i];
      } else {
        scratch.frame[kept] = scratch.frame[i];
        scratch.count[kept++] = scratch.count[i];
      }
    }
    from = end;
    start[local + 1] = kept;
  }
}

void StreamTile::fold_pixel(PixelSlot& slot, const StreamScheme& scheme, std::span<const std::uint32_t> t, std::span<const std::int64_t> v,
                            std::uint32_t newest, StreamScratch& scratch) {
  const double before = slot.narrow ? slot.narrow->magnitude : slot.wide ? static_cast<double>(slot.wide->magnitude) : 0.0;
  const double magnitude = before + magnitude_of(v);
  check_magnitude(magnitude);
  stateBytes_ -= slot.narrow ? slot.narrow->bytes() : slot.wide ? slot.wide->bytes() : 0;
  if (magnitude > kNarrowMax && !slot.wide) {
    slot.wide = slot.narrow ? std::make_unique<WideState>(*slot.narrow) : std::make_unique<WideState>();
    slot.narrow.reset();
  } else if (slot.empty()) {
    slot.narrow = std::make_unique<NarrowState>();
  }
  if (slot.wide) {
    fold(*slot.wide, scheme, t, v, newest, scratch.wide);
  } else {
    fold(*slot.narrow, scheme, t, v, newest, scratch.narrow);
  }
  stateBytes_ += slot.narrow ? slot.narrow->bytes() : slot.wide->bytes();
}

void StreamTile::fold_log(const StreamScheme& scheme, std::uint32_t newest, StreamScratch& scratch) {
  sort(scratch);
  log_.clear();
  large_.clear();
  for (std::uint32_t local = 0; local < pixels_; ++local) {
    auto t = scratch.frames_of(local);
    auto v = scratch.counts_of(local);
    const std::size_t whole = t.empty() || t.back() < newest ? t.size() : t.size() - 1;
    if (whole > kFew) {
      if (slots_.empty()) slots_.resize(pixels_);
      fold_pixel(slots_[local], scheme, t.first(whole), v.first(whole), newest, scratch);
      t = t.subspan(whole);
      v = v.subspan(whole);
    }
    for (std::size_t i = 0; i < t.size(); ++i) append(t[i], local, v[i]);
  }
  if (log_.capacity() > kRoom * pixels_) log_.shrink_to_fit();
  if (large_.capacity() > kRoom * pixels_) large_.shrink_to_fit();
}

}  // namespace xpcs

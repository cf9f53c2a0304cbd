#include "photon_sample.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>

namespace xpcs {
namespace {

/// Frames that are looked at, from the first to the last of the range.
constexpr std::uint64_t kPlaces = 5;
/// Standard deviations of counting that are added.
constexpr double kDeviations = 4;

std::uint64_t photons_at_most(const Settings& settings, bool wholeFrames) {
  if (wholeFrames) return 0;
  std::uint64_t bytes = 0;
  for (const std::string& path : settings.modules.empty() ? std::vector<std::string>{settings.input} : settings.modules) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) == 0) bytes += static_cast<std::uint64_t>(facts.st_size);
  }
  switch (settings.format) {
    case Format::imm: return bytes / 6;
    case Format::rigaku: return bytes / 8;
    case Format::ufxc: return bytes / 4;
    case Format::hdf5:
    case Format::stream: return 0;
  }
  return 0;
}

/// What a pixel is to the analysis.
enum class Kind : std::uint8_t { none, valid, selected };

std::vector<Kind> kinds_of(const Settings& settings, const Partition& partition) {
  std::vector<Kind> kinds(partition.pixels(), Kind::none);
  const std::vector<std::uint32_t>& bins = settings.twoTime.bins;
  for (std::size_t rank = 0; rank < partition.pixelOfRank.size(); ++rank) {
    const bool chosen = std::find(bins.begin(), bins.end(), partition.dynamicOfRank[rank] + 1) != bins.end();
    kinds[partition.pixelOfRank[rank]] = chosen ? Kind::selected : Kind::valid;
  }
  return kinds;
}

struct Counted {
  double all = 0, valid = 0, selected = 0;
  std::int64_t largest = 0;
};

Counted count(const FrameBatch& batch, const std::vector<Kind>& kinds) {
  Counted counted;
  for (std::size_t i = 0; i < batch.pixel.size(); ++i) {
    const std::uint32_t pixel = batch.pixel[i];
    if (pixel >= kinds.size()) continue;
    ++counted.all;
    counted.valid += kinds[pixel] != Kind::none ? 1 : 0;
    if (kinds[pixel] != Kind::selected) continue;
    ++counted.selected;
    counted.largest = std::max(counted.largest, batch.count[i]);
  }
  return counted;
}

double on_the_high_side(double counted) { return counted + kDeviations * std::sqrt(counted) + 1; }

std::uint64_t whole(double value) { return static_cast<std::uint64_t>(std::ceil(value)); }

}  // namespace

std::uint64_t PhotonSample::selected(std::uint64_t fileFrames) const {
  return inFile > 0 ? whole(static_cast<double>(inFile) * selectedShare) : whole(selectedPerFrame * static_cast<double>(fileFrames));
}

std::uint64_t PhotonSample::all(std::uint64_t fileFrames) const { return inFile > 0 ? inFile : whole(perFrame * static_cast<double>(fileFrames)); }

PhotonSample sample_photons(const Settings& settings, const Partition& partition, FrameReader& reader, std::uint64_t frames) {
  PhotonSample sample;
  sample.inFile = photons_at_most(settings, reader.dense());
  const std::vector<Kind> kinds = kinds_of(settings, partition);
  const std::uint64_t first = settings.begin - 1 + (reader.dense() ? settings.darkFrames : 0);
  FrameBatch batch;
  try {
    if (sample.inFile > 0) {
      reader.want(first, UINT64_MAX);
      if (!reader.next(batch)) return sample;
      const Counted counted = count(batch, kinds);
      if (counted.all > 0) sample.selectedShare = std::min(1.0, on_the_high_side(counted.selected) / counted.all);
      sample.largest = counted.largest;
      return sample;
    }
    const std::uint64_t places = reader.dense() ? 1 : kPlaces;  // frames of an IMM are found one after the other
    for (std::uint64_t place = 0; place < places; ++place) {
      const std::uint64_t frame = first + (frames > 0 ? (frames - 1) * place / (kPlaces - 1) : 0);
      reader.want(frame, frame);
      if (!reader.next(batch)) break;
      const Counted counted = count(batch, kinds);
      sample.perFrame = std::max(sample.perFrame, on_the_high_side(counted.valid));
      sample.selectedPerFrame = std::max(sample.selectedPerFrame, on_the_high_side(counted.selected));
      sample.largest = std::max(sample.largest, counted.largest);
    }
  } catch (const Error&) {
    sample.selectedShare = 1;
    sample.perFrame = sample.selectedPerFrame = static_cast<double>(partition.pixelOfRank.size());
  }
  return sample;
}

}  // namespace xpcs

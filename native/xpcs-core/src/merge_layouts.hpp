// Where each layout of a result keeps what merging reads, and how a merged result is written in it.
#pragma once
#include "h5/h5.hpp"
#include "xpcs/analysis.hpp"
#include "xpcs/merge.hpp"

namespace xpcs {

/// Names of the datasets of one result.
struct ResultPlaces {
  Layout layout = Layout::nexus;
  std::string group;  ///< of the results: /xpcs, or the exchange group
  std::string moments, map, curve, segments, intensity, provenance, stride, average, averaging;
};

/// @throws invalid_argument the file has no moments: why, and what to do
ResultPlaces places_of(const h5::File& file);

/// What is not a moment, of all repeats: means weighted with the frames that count, series one after the other.
struct StaticSums {
  std::vector<double> map, curve;             ///< sums of mean x frames
  std::vector<double> segments, intensity;    ///< rows of segments; a value per frame
  std::vector<double> clock, tick;            ///< exchange layout
  double frames = 0;                          ///< that count

  void add(const h5::File& file, const ResultPlaces& places, const Moments& moments);
};

void write_merged(h5::File& out, const h5::File& first, const ResultPlaces& places, const MergeRequest& request, Averaging averaging, const Moments& moments,
                  const StaticSums& sums);

}  // namespace xpcs

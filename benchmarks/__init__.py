"""What the speed claims of this project are measured with: ratios, taken in one run on one machine (`make bench`)."""
